// Package upstreamtest is an upstream Python index for tests: a loopback server
// that speaks the simple repository API as JSON and HTML, serves files with
// ranges, metadata and provenance, records all that it is asked, and misbehaves
// on command.
//
//	up := upstreamtest.New(t)
//	up.Add("demo", upstreamtest.File{Filename: "demo-1.0-py3-none-any.whl", Content: upstreamtest.Wheel("demo", "1.0")})
//	up.On("/simple/demo/", upstreamtest.Status(503))
//	… point a client at up.Simple() …
//	if n := up.Count("/simple/demo/"); n != 1 { … }
package upstreamtest
