//! Machines that compile (`pass/`) and machines that must not (`cases/`), with what the compiler says of them.
