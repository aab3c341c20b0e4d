package report

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"
)

// What trust inspect writes follows its schema, whose fields are those of the
// structs and all are described.
func TestInspectionsFollowSchema(t *testing.T) {
	t.Parallel()
	schema := readSchema(t, "../docs/trust-inspect.schema.json")
	same(t, schema, schema["$defs"].(object)["inspection"].(object), reflect.TypeFor[inspectionDoc](), "inspection")
	body, err := os.ReadFile("testdata/inspect/all.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range (validator{schema}).check(schema, doc, "inspections") {
		t.Error(wrong)
	}
}
