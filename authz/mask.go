package authz

// Mask is a set of permissions.
type Mask uint64

const (
	// AnonymousMask is what anyone may do with what is open, unless the operator
	// says otherwise ([Ring.SetAnonymous]).
	AnonymousMask = Mask(1<<ChannelRead | 1<<PackageRead | 1<<EngineRead)

	// publicMask is the ceiling of public keys, whatever their policy says.
	publicMask = AnonymousMask | 1<<ProxyFetch

	// everything is what an administrator holds.
	everything = Mask(1)<<NumPerms - 1
)

// MaskOf is the set of the given permissions.
func MaskOf(perms ...Perm) Mask {
	var m Mask
	for _, p := range perms {
		m |= 1 << p
	}
	return m & everything
}

// ParseMask is the set of the named permissions, as [ParsePerm] knows them. An
// unknown name is an error that names it; no names are the set that grants nothing.
func ParseMask(names []string) (Mask, error) {
	var m Mask
	for _, name := range names {
		p, err := ParsePerm(name)
		if err != nil {
			return 0, err
		}
		m |= 1 << p
	}
	return m, nil
}

// Has reports whether p is in the set.
func (m Mask) Has(p Perm) bool { return m&(1<<p) != 0 }

// Within reports whether everything in m is held, too.
func (m Mask) Within(held Mask) bool { return m&^held == 0 }

// Names lists the permissions by name, in the order of [Permissions].
func (m Mask) Names() []string {
	names := []string{}
	for i := range permissions {
		if m.Has(permissions[i].Perm) {
			names = append(names, permissions[i].Name)
		}
	}
	return names
}
