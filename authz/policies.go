package authz

// Policy is a named set of permissions. Every key has exactly one.
type Policy struct {
	ID, Name string
	Mask     Mask
	Builtin  bool // comes with the gateway and cannot be changed
}

// The roles, each with everything that the one before it has. Overwriting and
// deleting destroy what others rely on, and minting keys is escalation: both are
// an administrator's.
const (
	reader      = AnonymousMask
	executor    = reader | 1<<ProxyFetch
	application = executor | 1<<KeyRequestPublic
	developer   = application | 1<<PackageReadClosed | 1<<PackageUpload | 1<<PackageYank |
		1<<ChannelCreate | 1<<ChannelUpdate | 1<<ChannelReindex
	admin = everything
)

// BuiltinPolicies lists the roles as policies, smallest first. Their ids are their
// names.
func BuiltinPolicies() []Policy {
	return []Policy{
		{"reader", "reader", reader, true},
		{"executor", "executor", executor, true},
		{"application", "application", application, true},
		{"developer", "developer", developer, true},
		{"admin", "admin", admin, true},
	}
}
