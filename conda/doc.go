// Package conda knows the formats of conda channels: file, channel and subdir
// names (CEP 26), versions and their order (CEP 33), match specs (CEP 29),
// package archives of both formats (CEP 34 and 35), and the records that indexes
// are made of (CEP 36, 47).
//
// It reads and renders; it decides nothing about who may publish what, and does
// no I/O of its own. Everything here may be handed hostile input: limits are
// explicit, memory does not grow with a package's content, and bad input is an
// [InvalidError] of one sentence, never a panic.
//
// Packages that need repodata revision 3 (CEP 48: conditional dependencies,
// extras, flags) are refused: the maps that older clients read cannot say what
// such a package needs, and CEP 43 forbids listing it there as if they could.
package conda
