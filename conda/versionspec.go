package conda

import (
	"regexp"
	"strings"
)

// constraint is an expression over versions (CEP 29): clauses, joined by ',' which
// binds tighter than '|', in parentheses where need be.
type constraint struct {
	join byte // ',' or '|' over parts; 0 for a clause
	part []*constraint

	op      string // of a clause: one of operators, "*" for a glob, "^" for an expression
	version Version
	glob    string
	expr    *regexp.Regexp
}

// operators, longer ones first. "=*" and "!=*" are what "=" and "!=" become for
// series of versions, as in 1.2.*.
var operators = [...]string{"==", "!=", "<=", ">=", "~=", "=", "<", ">"}

// maxNesting bounds parentheses; real specs have one level.
const maxNesting = 16

// constraintParser reads one expression from the beginning of a string.
type constraintParser struct {
	s     string
	depth int
}

// alternatives reads clauses joined by '|', each of clauses joined by ','.
func (p *constraintParser) alternatives() (*constraint, bool) {
	return p.joined('|', func() (*constraint, bool) { return p.joined(',', p.clause) })
}

func (p *constraintParser) joined(by byte, next func() (*constraint, bool)) (*constraint, bool) {
	c, ok := next()
	if !ok {
		return nil, false
	}
	for {
		rest := strings.TrimLeft(p.s, " \t")
		if rest == "" || rest[0] != by {
			return c, true
		}
		p.s = rest[1:]
		more, ok := next()
		if !ok {
			return nil, false
		}
		if c.join != by {
			c = &constraint{join: by, part: []*constraint{c}}
		}
		c.part = append(c.part, more)
	}
}

func (p *constraintParser) clause() (*constraint, bool) {
	p.s = strings.TrimLeft(p.s, " \t")
	switch {
	case p.s == "":
		return nil, false
	case p.s[0] == '(':
		if p.depth++; p.depth > maxNesting {
			return nil, false
		}
		p.s = p.s[1:]
		c, ok := p.alternatives()
		p.s = strings.TrimLeft(p.s, " \t")
		if !ok || p.s == "" || p.s[0] != ')' {
			return nil, false
		}
		p.depth--
		p.s = p.s[1:]
		// What is in parentheses stays one part of what it is joined to.
		return &constraint{join: ',', part: []*constraint{c}}, true
	case p.s[0] == '^':
		end := strings.IndexByte(p.s, '$') + 1
		expr, err := regexp.Compile(p.s[:end])
		if end == 0 || err != nil {
			return nil, false
		}
		p.s = p.s[end:]
		return &constraint{op: "^", expr: expr}, true
	}
	op := ""
	for _, o := range operators {
		if strings.HasPrefix(p.s, o) {
			op = o
			p.s = strings.TrimLeft(p.s[len(o):], " \t")
			break
		}
	}
	n := 0
	for n < len(p.s) && isVersionByte(p.s[n]) {
		n++
	}
	literal := p.s[:n]
	p.s = p.s[n:]
	return newClause(op, literal)
}

func isVersionByte(c byte) bool {
	return isLower(c|0x20) || isDigit(c) || strings.IndexByte("._+!*-", c) >= 0
}

// newClause makes sense of an operator and a version that may have stars.
func newClause(op, literal string) (*constraint, bool) {
	stem := strings.TrimRight(literal, "*")
	starred := len(stem) < len(literal)
	switch {
	case literal == "":
		return nil, false
	case stem == "" && (op == "" || op == "=" || op == "==" || op == ">=" || op == "<="):
		return &constraint{op: "*", glob: "*"}, true
	case strings.Contains(stem, "*"):
		return &constraint{op: "*", glob: strings.ToLower(literal)}, op == "" || op == "=" || op == "=="
	case starred && op == "~=":
		return nil, false
	}
	if starred {
		stem = strings.TrimSuffix(stem, ".")
	}
	v, err := ParseVersion(stem)
	if err != nil {
		return nil, false
	}
	switch {
	case op == "=" || starred && (op == "" || op == "=="):
		op = "=*"
	case op == "":
		op = "=="
	case starred && op == "!=":
		op = "!=*"
	}
	return &constraint{op: op, version: v}, true
}

// exactly turns a lone "=" into "==": next to a build it means equality.
func (c *constraint) exactly(literal string) {
	if c.op == "=*" && !strings.Contains(literal, "*") {
		c.op = "=="
	}
}

func (c *constraint) match(v Version) bool {
	switch c.join {
	case ',':
		for _, p := range c.part {
			if !p.match(v) {
				return false
			}
		}
		return true
	case '|':
		for _, p := range c.part {
			if p.match(v) {
				return true
			}
		}
		return false
	}
	switch c.op {
	case "*":
		return matchGlob(c.glob, v.text)
	case "^":
		return c.expr.MatchString(v.text)
	case "=*":
		return v.startsWith(c.version)
	case "!=*":
		return !v.startsWith(c.version)
	case "==":
		return v.Compare(c.version) == 0
	case "!=":
		return v.Compare(c.version) != 0
	case "<":
		return v.Compare(c.version) < 0
	case "<=":
		return v.Compare(c.version) <= 0
	case ">":
		return v.Compare(c.version) > 0
	case ">=":
		return v.Compare(c.version) >= 0
	default: // ~=
		i := strings.LastIndexByte(c.version.text, '.')
		if v.Compare(c.version) < 0 || i < 0 {
			return v.Compare(c.version) >= 0
		}
		series, err := ParseVersion(c.version.text[:i])
		return err == nil && v.startsWith(series)
	}
}

// matchGlob matches s against a pattern whose stars stand for any text, in time
// proportional to the product of their lengths at most.
func matchGlob(pattern, s string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, mark = i, j
			i++
		case i < len(pattern) && pattern[i] == s[j]:
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}
