package gitfiles

var (
	Decode    = decode    // Decode is decode.
	Translate = translate // Translate is translate.
)
