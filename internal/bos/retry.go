package bos

// Held returns the nodes that the session acts on in the boot sets that take accepts:
// those in any category but excluded and superseded.
func (s *Session) Held(take func(*BootSet) bool) NodeSet {
	var held []NodeSet
	for i := range s.BootSets {
		b := &s.BootSets[i]
		if !take(b) {
			continue
		}
		for j := range b.Phases {
			for _, c := range b.Phases[j].Categories {
				if c.Name != Excluded && c.Name != Superseded {
					held = append(held, c.Nodes)
				}
			}
		}
	}
	return NodeSet{}.Union(held...)
}

// ToRetry returns the nodes to try again in the phases that take accepts: those that
// failed and, if unfinished is set, those that the session left unfinished.
func (s *Session) ToRetry(unfinished bool, take func(*BootSet, *Phase) bool) NodeSet {
	var left NodeSet
	if unfinished {
		left = s.Fates().Unfinished
	}
	var retry NodeSet
	for b, p := range s.EachPhase() {
		if !take(b, p) {
			continue
		}
		for _, c := range p.Categories {
			switch c.Name {
			case Failed, OnHold:
				retry = retry.Union(c.Nodes)
			case Succeeded, Excluded, Superseded:
			default:
				retry = retry.Union(c.Nodes.Intersect(left))
			}
		}
	}
	return retry
}
