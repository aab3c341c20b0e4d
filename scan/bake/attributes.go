package bake

import "github.com/zclconf/go-cty/cty"

// attributeNames returns the attributes that a kind of block has in bake.
func attributeNames(kind string) []string {
	switch kind {
	case "target":
		return []string{
			"annotations", "args", "attest", "cache-from", "cache-to", "call", "context", "contexts", "description",
			"dockerfile", "dockerfile-inline", "entitlements", "extra-hosts", "inherits", "labels", "matrix", "name",
			"network", "no-cache", "no-cache-filter", "output", "platforms", "policy", "pull", "resources", "secret",
			"shm-size", "ssh", "tags", "target", "ulimits",
		}
	case "group":
		return []string{"description", "matrix", "name", "targets"}
	case "variable":
		return []string{"default", "type"}
	case "function":
		return []string{"params", "result", "variadic_params"}
	}
	return nil
}

// attributeType returns the type bake gives an attribute. Those that come as
// text or as objects, and do not say what is pulled, stay as they are.
func attributeType(kind, name string) cty.Type {
	switch name {
	case "call", "context", "description", "dockerfile", "dockerfile-inline", "network", "shm-size":
		return cty.String
	case "target":
		if kind == "target" {
			return cty.String
		}
	case "args", "contexts", "extra-hosts", "labels":
		return cty.Map(cty.String)
	case "annotations", "entitlements", "inherits", "no-cache-filter", "platforms", "tags", "targets", "ulimits":
		return cty.List(cty.String)
	case "no-cache", "pull":
		return cty.Bool
	}
	return cty.DynamicPseudoType
}
