package report

import (
	"bytes"
	"encoding/json"
	"io"
)

// Value writes doc as JSON, as every document of this package is written:
// indented, and harmless in a terminal or a log.
func Value(w io.Writer, doc any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return err
	}
	_, err := w.Write(inert(b.Bytes()))
	return err
}
