// Package condaweb serves conda channels and takes their uploads.
//
// Reads: GET and HEAD below /<channel>/, also below /t/<key>/<channel>/ and, as
// conda spells a tokenised URL of a channel with a location, /<location>/t/<key>/<name>/.
// A channel's name may have several segments.
//
// Writes: prefix.dev's API (/api/v1/upload, /api/v1/delete, /api/v1/reindex), with
// yank, unyank, patch and channel settings beside it, quetz's upload route, and
// PUT of a package to its own URL.
//
// Errors are one sentence of plain text. A refusal on an index path is 401 or 403,
// never 404, which clients would remember as "this channel has no such index".
package condaweb
