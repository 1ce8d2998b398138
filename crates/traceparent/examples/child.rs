//! A process that hands its trace to a child process, in the variables `TRACEPARENT` and `TRACESTATE` of the environment. The child
//! is this program once more, as it could be a build tool, a job of cron or a script.
//!
//! `cargo run -p traceparent --example child`
//!
//! If the process has been handed a trace itself, both continue it:
//!
//! ```sh
//! TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 cargo run -p traceparent --example child
//! ```

use std::{env, error::Error, process::Command};

use traceparent::{
    Policy, RandomIdGenerator, TraceParent,
    carrier::{CommandExt, EnvContext},
    sampler::AlwaysOn,
};

fn main() -> Result<(), Box<dyn Error>> {
    // The span of this process: a child of the span in the environment, or the first of a trace.
    let environment = EnvContext::of_process();
    let span = Policy::new(AlwaysOn).apply(environment.incoming(), &RandomIdGenerator);
    if env::args().nth(1).as_deref() == Some("child") {
        println!("{}", span.traceparent());
        return Ok(());
    }

    let mut child = Command::new(env::current_exe()?);
    // The variables of this process, which a child would inherit, are replaced; so is the list of another trace.
    child.arg("child").env("TRACESTATE", "stale=1").trace_context(&span);
    let output = child.output()?;
    let of_child: TraceParent = std::str::from_utf8(&output.stdout)?.trim_end().parse()?;

    println!("parent: {}", span.traceparent());
    println!("child:  {of_child}");
    assert_eq!(of_child.trace_id(), span.traceparent().trace_id());
    assert_ne!(of_child.parent_id(), span.span_id());
    assert_eq!(of_child.flags(), span.traceparent().flags());
    Ok(())
}
