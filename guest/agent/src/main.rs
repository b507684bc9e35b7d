//! See the library: this is only its door.

fn main() -> std::process::ExitCode {
    banger_agent::run()
}
