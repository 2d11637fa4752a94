"""What everything else stands on: errors, types, containers, ops, tracers, bind."""
