// Package splice joins separately compressed pieces into one stream that any
// decoder reads, so that changing one piece of a large document costs the
// compression of that piece alone.
//
// A zstd document (RFC 8878) is exactly one frame, for conda and rattler stop
// after the first:
//
//	ZstdHeader(size)                the sum of what the parts decode to
//	AppendZstdRaw(nil, head)        any bytes, as they stand
//	AppendZstd(nil, first)          33 spaces and the bytes, compressed alone
//	AppendZstdRaw(nil, ",")
//	AppendZstd(nil, second)
//	…
//	ZstdTrailer()
//
// Parts may be kept, exchanged and put in any order: none depends on another.
package splice
