// Package python knows the formats of the Python package index: project names
// (PEP 503), versions and specifiers (PEP 440), requirements (PEP 508), file
// names and archives of wheels (PEP 427) and source distributions (PEP 625),
// core metadata up to 2.5, and the pages of the simple repository API 1.4 as
// JSON and as HTML.
//
// It reads and renders; it decides nothing about who may see what and does no
// I/O of its own. Everything here may be handed hostile input: limits are
// explicit, and bad input is an error of one sentence, never a panic.
package python
