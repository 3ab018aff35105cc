// Package pyweb serves the Python index: the simple repository API (PEP 503, 691,
// 700, 714, 740, 792) over own packages and the pass-through, files with their core
// metadata (PEP 658), uploads in the form of twine and its kin, and the management
// of Python names.
//
// The index stands below /pypi/ and, for Keygen's clients, below
// /v1/accounts/<account>/engines/pypi/. URLs in pages are relative, so both serve
// the same bytes. What an own name may answer is decided in [gateway.Gateway];
// everything else goes through one function, [Surface.passthrough], behind which
// the pass-through decides again whether the name may go upstream at all.
package pyweb
