// Package faults holds the fault matrix: the built programs are run against every
// fault of the simulated BOS at every moment in the life of a session, and what they
// say is held against what BOS holds. Run it with make faults.
//
// What an administrator sees of each fault is written down in docs/reliability.md.
package faults
