// Package passthrough stands between a gateway's clients and the public Python
// index: it decides whether a name may be asked for at all, fetches and keeps its
// page, filters it, fills a cache with its files while their first bytes are on
// the way to the client, and goes on from that cache when the upstream is slow,
// wrong or gone.
//
// # One decision
//
// Every operation begins with the same decision on the normalised name: is it a
// name; does [Local] own it, whoever asks and whether it has files or not; do the
// allow and deny globs permit it; and, for each file, is its cooldown over. Only
// then is an upstream asked. When Local cannot tell, the answer is 503: a name
// that may be private never leaves the house. Several upstreams are asked in
// order, and one that does not answer is never passed over for the next.
//
// # Addresses of files
//
// A file of upstream U is served below "files/U/" at its own path on the
// upstream's file host; a file on another permitted host H has "@H/" before that
// path ("@http+H/" or "@https+H/" where its scheme is not the upstream's own). Where
// the last segment is not the file's name, the name is put behind it. So a lock
// file can be mapped back by rule, and ".metadata" may be appended. No address is
// followed that is not on the project's page: the gateway is no open proxy. A file
// that was cached stays served when it disappears from the page.
//
// # What is kept
//
// Below [Config.Dir]: pages/, each project's page as it came with its validators
// and the times its files were first seen; files/, verified bytes under their
// SHA-256 with a journal beside them; metadata/; tmp/, downloads under way, whose
// leftovers go at the start. All of it may be deleted at any time, at the cost of
// fetching it again. Nothing is fsynced: after a start that follows no orderly end,
// and whenever size or modification time are not the remembered ones, a file is
// hashed before it is served.
//
// Nothing of a client's request is sent upstream except the name and the range
// asked for: no header, no cookie, no credential.
package passthrough
