package wire

import _ "embed"

// OpenAPI is the OpenAPI 3.1 document of the HTTP routes. It is not to be changed.
//
//go:embed docs/openapi.json
var OpenAPI []byte

// AsyncAPI is the AsyncAPI 3.0 document of the WebSocket. It is not to be changed.
//
//go:embed docs/asyncapi.json
var AsyncAPI []byte
