// Package apiweb serves the management APIs: API keys as Composable Prompts has
// them (/api/v1/apikeys), keys, policies and permissions as Catena has them
// (/api/v1/api_keys, /api/v1/policies, /api/v1/permissions), engines as Keygen has
// them (/v1/accounts/<account>/engines), and projects and the audit trail, which
// none of these has.
//
// All of them speak of the same keys, policies and projects: each file translates
// one API into calls on [gateway.Gateway], where every rule is, and renders answers
// and errors in that API's shape.
package apiweb
