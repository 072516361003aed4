# SPDX-License-Identifier: Apache-2.0
# The part of JSON Schema (draft 2020-12) that the schemas in docs/ use: jq -n --slurpfile schema S.json --slurpfile value V.json -r -f
# schema.jq prints a line for everything that is wrong, and nothing when all is well. A keyword that is not here is wrong too.

def types: { object: "object", array: "array", string: "string", boolean: "boolean", number: "number", null: "null" };

def fits_type($type):
	if $type == "integer" then type == "number" and . == floor else type == types[$type] end;

def check($root; $schema; $path):
	. as $value
	| (($schema | keys_unsorted) - ["$schema", "$id", "$ref", "$defs", "title", "description", "type", "const", "enum", "pattern", "required",
		"properties", "additionalProperties", "items", "minimum", "minItems"] | map("\($path): the schema says \(.), which is not checked")[]),
	if $schema | has("$ref") then check($root; $root | getpath($schema["$ref"] | ltrimstr("#/") | split("/")); $path) else empty end,
	if ($schema | has("type")) and ([$schema.type] | flatten | map(. as $type | $value | fits_type($type)) | any | not)
		then "\($path): \($schema.type) is expected" else empty end,
	if ($schema | has("const")) and $value != $schema.const then "\($path): \($schema.const) is expected" else empty end,
	if ($schema | has("enum")) and ($schema.enum | index([$value]) == null) then "\($path): \($value) is none of \($schema.enum)" else empty end,
	if ($schema | has("pattern")) and ($value | type == "string" and (test($schema.pattern) | not))
		then "\($path): \($value) does not match \($schema.pattern)" else empty end,
	if ($schema | has("minimum")) and ($value | type == "number" and . < $schema.minimum) then "\($path): \($value) is too small" else empty end,
	if ($schema | has("minItems")) and ($value | type == "array" and length < $schema.minItems) then "\($path): too few elements" else empty end,
	if $value | type == "object" then
		(($schema.required // []) - ($value | keys) | map("\($path): \(.) is missing")[]),
		($value | keys[] as $key
			| if ($schema.properties // {}) | has($key) then .[$key] | check($root; $schema.properties[$key]; "\($path).\($key)")
				elif $schema.additionalProperties == false then "\($path): \($key) is not in the schema"
				elif $schema.additionalProperties | type == "object" then .[$key] | check($root; $schema.additionalProperties; "\($path).\($key)")
				else empty end)
	elif $value | type == "array" then
		if $schema | has("items") then range($value | length) as $i | $value[$i] | check($root; $schema.items; "\($path)[\($i)]") else empty end
	else empty end;

$value[0] | check($schema[0]; $schema[0]; "$")
