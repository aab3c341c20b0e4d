package report

import (
	"bytes"
	"encoding/json"
	"io"
)

// Value writes a document of another kind as [JSON] writes a report: indented,
// and as harmless in a terminal or a log.
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
