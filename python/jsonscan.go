package python

import "bytes"

// Splitting JSON without decoding it. All of these expect bytes for which
// json.Valid has held: pages of thousands of files are read far faster so than
// through reflection, and values of unknown keys are kept as they came.

// eachMember calls fn for each member of an object, in order. It returns false
// when value is no object.
func eachMember(value []byte, fn func(key string, value []byte)) bool {
	i := skipBlank(value, 0)
	if value[i] != '{' {
		return false
	}
	for i = skipBlank(value, i+1); value[i] != '}'; {
		end := skipValue(value, i)
		key := text(value[i:end])
		i = skipBlank(value, skipBlank(value, end)+1) // the colon
		end = skipValue(value, i)
		fn(key, value[i:end])
		if i = skipBlank(value, end); value[i] == ',' {
			i = skipBlank(value, i+1)
		}
	}
	return true
}

// eachElement calls fn for each element of an array; for other values it does
// nothing.
func eachElement(value []byte, fn func(value []byte)) {
	i := skipBlank(value, 0)
	if value[i] != '[' {
		return
	}
	for i = skipBlank(value, i+1); value[i] != ']'; {
		end := skipValue(value, i)
		fn(value[i:end])
		if i = skipBlank(value, end); value[i] == ',' {
			i = skipBlank(value, i+1)
		}
	}
}

// skipValue returns the end of the value that begins at i.
func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		open := 0
		for ; ; i++ {
			switch b[i] {
			case '"':
				i = skipString(b, i) - 1
			case '{', '[':
				open++
			case '}', ']':
				if open--; open == 0 {
					return i + 1
				}
			}
		}
	default: // number, true, false, null
		for i < len(b) && !bytes.ContainsRune([]byte(" \t\r\n,]}"), rune(b[i])) {
			i++
		}
		return i
	}
}

// skipString returns the end of the string whose opening quote is at i.
func skipString(b []byte, i int) int {
	for i++; ; i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

func skipBlank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// depth is how deep arrays and objects nest. It reads any bytes: it is asked
// before json.Valid, whose stack grows with the depth.
func depth(b []byte) int {
	open, most := 0, 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			open++
			most = max(most, open)
		case '}', ']':
			open--
		}
	}
	return most
}
