//! The program behind `cargo xtask soak`.

fn main() -> std::process::ExitCode {
    selvedge_soak::main()
}
