package policy

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/boltseal/boltseal/internal/yamlshape"
)

// SchemaID is what the schema of policy files calls itself.
const SchemaID = "https://github.com/boltseal/boltseal/blob/main/docs/policy.schema.json"

type object = map[string]any

// Schema describes policy files whose rules may require what systems have, as
// JSON Schema (draft-07, which YAML editors know best). The same systems give the
// same bytes. It is made of the structs that Read fills and of the built-in
// publishers, so that both know the same keys; what Read accepts follows it. The
// error is about systems that could not be told apart.
func Schema(systems []System) ([]byte, error) {
	s := yamlshape.Schema(documentText{})
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	s["$id"] = SchemaID
	s["title"] = "boltseal policy"
	s["description"] = "What is asked of which container images, before they are built with."
	definitions, err := requirementSchemas(systems)
	if err != nil {
		return nil, err
	}
	s["definitions"] = definitions
	if property(s, "publishers")["items"], err = publisherSchema(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		return nil, fmt.Errorf("write the schema of policies: %w", err)
	}
	return b.Bytes(), nil
}

// requirementSchemas returns what an item of require may be, under the name
// "requirement", and the form of each system under the system's.
func requirementSchemas(systems []System) (object, error) {
	group := func(doc string) object {
		return object{"description": doc, "type": "array", "minItems": 1, "items": reference("requirement")}
	}
	properties := object{
		anyOf: group("Requirements of which one is enough."),
		allOf: group("Requirements that must all be met."),
	}
	definitions := object{"requirement": object{
		"description":   "One thing that the images must have: exactly one key.",
		"type":          "object",
		"minProperties": 1, "maxProperties": 1, // rather than oneOf, of which editors say only that nothing fits
		"additionalProperties": false,
		"properties":           properties,
	}}
	for _, system := range systems {
		if _, taken := definitions[system.Name]; taken || properties[system.Name] != nil || system.Name == "" {
			return nil, fmt.Errorf("describe policies: two requirements are called %q", system.Name)
		}
		form := yamlshape.Schema(system.New())
		form["description"] = system.Doc
		definitions[system.Name] = form
		properties[system.Name] = reference(system.Name)
	}
	return definitions, nil
}

// publisherSchema returns what an item of publishers may be.
func publisherSchema() (object, error) {
	c, err := builtin()
	if err != nil {
		return nil, err
	}
	var plain []any
	properties := object{}
	for _, p := range c.text.Publishers {
		if len(p.Parameters) == 0 {
			plain = append(plain, p.Name.Value)
		} else {
			properties[p.Name.Value] = p.schema()
		}
	}
	return object{"anyOf": []any{
		object{"description": "The name of a publisher.", "enum": plain},
		object{
			"description": "The name of a publisher and its parameters.", "type": "object",
			"minProperties": 1, "maxProperties": 1, "additionalProperties": false, "properties": properties,
		},
	}}, nil
}

// schema returns what the parameters of p may be.
func (p publisherText) schema() object {
	properties, required := object{}, []any{}
	for _, x := range p.Parameters {
		value := object{"type": "string", "pattern": "^(?:" + x.Pattern.Value + ")$"}
		if x.Many {
			value = object{"anyOf": []any{value, object{"type": "array", "items": value, "minItems": 1, "maxItems": maxValues}}}
		}
		value["description"] = x.About.Value
		properties[x.Name.Value] = value
		required = append(required, x.Name.Value)
	}
	return object{"description": p.About.Value, "type": "object", "required": required, "additionalProperties": false, "properties": properties}
}

func reference(name string) object { return object{"$ref": "#/definitions/" + name} }

// property returns the schema of a key.
func property(schema object, key string) object {
	properties, _ := schema["properties"].(object)
	p, ok := properties[key].(object)
	if !ok {
		panic("policy: the schema has no key " + key) // it is made of the struct that says so
	}
	return p
}

// RefineSchema says that a policy has something to say.
func (documentText) RefineSchema(schema object) {
	schema["anyOf"] = []any{requires("rules"), requires("publishers"), requires("extends")}
}

// RefineSchema says what is required, and that it is that or nothing.
func (ruleText) RefineSchema(schema object) {
	property(schema, "require")["items"] = reference("requirement")
	refineImages(schema)
	schema["oneOf"] = []any{requires("require"), requires("allow-unsigned")}
}

// RefineSchema says that an exception is for something.
func (exceptionText) RefineSchema(schema object) { refineImages(schema) }

// RefineSchema says which keys make a source.
func (extendText) RefineSchema(schema object) {
	var sources []any
	for _, keys := range [][]string{{"file"}, {"url", "sha256"}, {"artifact"}} {
		source := requires(keys...)
		source["maxProperties"] = len(keys)
		sources = append(sources, source)
	}
	schema["oneOf"] = sources
}

// refineImages says that a list of nothing but exclusions matches nothing.
func refineImages(schema object) {
	property(schema, "images")["contains"] = object{"type": "string", "pattern": "^[^!]"}
}

func requires(keys ...string) object {
	all := make([]any, len(keys))
	for i, k := range keys {
		all[i] = k
	}
	return object{"required": all}
}
