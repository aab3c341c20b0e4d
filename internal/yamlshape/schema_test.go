package yamlshape_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

// RefineSchema says what the fields do not.
func (name) RefineSchema(s map[string]any) { s["title"] = "somebody" }

func TestSchema(t *testing.T) {
	t.Parallel()
	body, err := json.MarshalIndent(yamlshape.Schema(&doc{}), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Equal(t, "testdata/doc.schema.json", string(body)+"\n")
}

// A mistake in the structs is found by the first test that looks at them.
func TestUnfitStructs(t *testing.T) {
	t.Parallel()
	type loop struct {
		Next []*loop `yaml:"next"`
	}
	for want, v := range map[string]any{
		"cannot describe a string": &struct {
			A string `yaml:"a"`
		}{},
		"cannot describe a image.Position": &struct {
			A image.Position `yaml:"a"`
		}{},
		"has a tag and cannot be set": &struct {
			a int `yaml:"a"`
		}{},
		"has the key a twice": &struct {
			A int `yaml:"a"`
			B int `yaml:"a"`
		}{},
		`is "a,omitempty"`: &struct {
			A int `yaml:"a,omitempty"`
		}{},
		`is ""`: &struct {
			A int `yaml:""`
		}{},
		"min of": &struct {
			A int `yaml:"a" min:"x"`
		}{},
		"among numbers": &struct {
			A int `yaml:"a" enum:"x"`
		}{},
		"is part of itself":         &loop{},
		"cannot describe a float64": 5.0,
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("%q, want %q", got, want)
				}
			}()
			yamlshape.Schema(v)
		}()
	}
}
