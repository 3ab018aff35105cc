package conda_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/conda"
)

// TestMatchSpec has dependencies as they are found in public channels and in the
// tests of conda and rattler, with packages that they mean and do not mean.
func TestMatchSpec(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ spec, yes, no string }{
		{"python", "python 3.9 0", "pythonx 3.9 0"},
		{"python >=3.6,<4", "python 3.12.1 0", "python 4 0"},
		{"python >=3.6, <4", "python 3.12.1 0", "python 3.5 0"},
		{"python>=3.6,<4", "python 3.12.1 0", "python 3.5 0"},
		{"python >= 3.6 , < 4 cpy_0", "python 3.7 cpy_0", "python 3.7 cpy_1"},
		{"foo 1.*", "foo 1.2 0", "foo 2 0"},
		{"foo 1.2*", "foo 1.2.5 0", "foo 1.3 0"},
		{"foo 1.2.3=build", "foo 1.2.3 build", "foo 1.2.3.1 build"},
		{"foo=1.2=build", "foo 1.2 build", "foo 1.2.3 build"},
		{"foo==1.2=build", "foo 1.2 build", "foo 1.2 other"},
		{"foo=1.2", "foo 1.2.3 0", "foo 1.20 0"},
		{"foo =1.2", "foo 1.2.3 0", "foo 1.3 0"},
		{"foo ==1.2", "foo 1.2.0 0", "foo 1.2.3 0"},
		{"foo 1.2", "foo 1.2.0 0", "foo 1.2.3 0"},
		{"foo >=1.2 *_cuda", "foo 1.3 h0_cuda", "foo 1.3 h0_cpu"},
		{"__glibc >=2.17,<3.0.a0", "__glibc 2.36 0", "__glibc 3.0 0"},
		{"libblas 3.9.0 *netlib", "libblas 3.9.0 5_netlib", "libblas 3.9.0 5_mkl"},
		{"numpy ==1.0|>2", "numpy 2.1 0", "numpy 1.5 0"},
		{"pkg 1.0.*|1.1.*", "pkg 1.1.7 0", "pkg 1.2 0"},
		{"pkg 1.5|(1.6|1.7),>1.6", "pkg 1.7 0", "pkg 1.6 0"},
		{"pkg ((1.5|((1.6|1.7), 1.8), 1.9 |2.0))|2.1", "pkg 2.1 0", "pkg 1.8 0"},
		{"_libgcc_mutex 0.1 conda_forge", "_libgcc_mutex 0.1 conda_forge", "_libgcc_mutex 0.1 main"},
		{"python 3.8.* *_cpython", "python 3.8.20 h1_cpython", "python 3.8.20 h1_pypy"},
		{"python_abi 3.8.* *_pypy36_pp73", "python_abi 3.8 2_pypy36_pp73", "python_abi 3.8 2_cp38"},
		{"blas * openblas", "blas 1.1 openblas", "blas 1.1 mkl"},
		{"foo ~=1.2.3", "foo 1.2.9 0", "foo 1.3 0"},
		{"foo ~=1.2", "foo 1.9 0", "foo 2.0 0"},
		{"foo !=1.0", "foo 1.0.1 0", "foo 1.0.0 0"},
		{"foo !=1.0.*", "foo 1.1 0", "foo 1.0.5 0"},
		{"foo >=1.0.*", "foo 1.1 0", "foo 0.9 0"},
		{"foo 1.*.1", "foo 1.7.1 0", "foo 1.7.2 0"},
		{`foo ^1\.[5-8]\.1$`, "foo 1.7.1 0", "foo 1.9.1 0"},
		{"jpeg 9b", "jpeg 9b 0", "jpeg 9c 0"},
		{"openssl >=1.0.1_,<1.0.2", "openssl 1.0.1a 0", "openssl 1.0.2 0"},
		{"r-lattice 0.20_38", "r-lattice 0.20_38 0", "r-lattice 0.20_39 0"},
		{"r-lattice 0.20-38", "r-lattice 0.20_38 0", "r-lattice 0.20_39 0"},
		{"tzdata 1!2024a", "tzdata 1!2024a 0", "tzdata 2024a 0"},
		{"PyYAML >=5", "pyyaml 6.0 0", "pyyaml 4 0"},
		{"foo >=1.0  # a comment", "foo 1.0 0", "foo 0.9 0"},
		{"conda-forge::foo >=1", "foo 1 0", "foo 0.5 0"},
		{"conda-forge/linux-64::foo", "foo 1 0", "bar 1 0"},
		{"foo[version='>=1.0,<2', build=\"*_cpu\"]", "foo 1.5 0_cpu", "foo 1.5 0_gpu"},
		{"foo [version=1.5.*,build_number='>=2']", "foo 1.5.1 0", "foo 1.6 0"},
		{"foo 1.0 ^py3[0-9]_.*$", "foo 1.0 py39_0", "foo 1.0 py27_0"},
		{"foo *", "foo 7 0", "bar 7 0"},
		{"foo[md5=0123456789abcdef0123456789abcdef]", "foo 7 0", "bar 7 0"},
		{"foo[]", "foo 7 0", "bar 7 0"},
	} {
		m, err := conda.ParseMatchSpec(c.spec)
		if err != nil {
			t.Error(err)
			continue
		}
		for want, pkg := range map[bool]string{true: c.yes, false: c.no} {
			p := strings.Fields(pkg)
			if m.Match(p[0], version(t, p[1]), p[2]) != want {
				t.Errorf("%q matching %q is %v, which is wrong", c.spec, pkg, !want)
			}
		}
	}
}

func TestMatchSpecRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", " ", "*", "py*", "^py.*$ >=1", "* >=1", ">=1", "foo >=", "foo ==", "foo ><2", "foo =>1", "foo <>1", "foo ===1",
		"foo >=1,", "foo ,>=1", "foo 1.5||1.6", "foo (1.5", "foo 1.5)", "foo ()", "foo ^1.5", "foo ~1", "foo >=1 <2", "foo >=1..2",
		"foo 1.2+", "foo 1.0 2.0 3.0", "foo ~=1.*", "foo 1.0 py27!", "foo/bar 1", "../foo", "föö", "foo\n>=1", "foo\x00",
		"foo[version='>=1'", "foo[version]", "foo[version=]", "foo[=1]", "foo[version='1',version='2']", "foo[color=red]",
		"foo[version='>=']", "foo[build_number=x]", "foo[version='1'][build=0]", "foo[version='1',]", "foo; if __unix",
		"foo >=1; platform_system == 'Linux'", "https://example.com/foo-1-0.conda", "foo " + strings.Repeat("(", 50) + "1" + strings.Repeat(")", 50),
		strings.Repeat("a", 65), "foo " + strings.Repeat("1,", 2000) + "1", "foo \xff",
	} {
		if _, err := conda.ParseMatchSpec(s); err == nil {
			t.Errorf("%q was taken for a dependency", s)
		} else if !errors.As(err, new(*conda.InvalidError)) {
			t.Errorf("%q gave %T", s, err)
		}
	}
}
