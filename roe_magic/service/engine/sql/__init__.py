"""The policy on SQL, pure: statements, syntax trees and the lists of what is allowed. No engine, no I/O."""
