package authz

import "strings"

// HideTokens is s with everything that has the form of a key cut to what
// [MaskedToken] shows of it: for errors that repeat what they were sent.
func HideTokens(s string) string {
	if !HoldsToken(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if i+TokenLen <= len(s) && HoldsToken(s[i:i+TokenLen]) {
			b.WriteString(s[i:i+prefixLen+shownLen] + "****")
			i += TokenLen
			continue
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}
