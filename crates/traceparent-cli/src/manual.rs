//! Completions and the man page, generated from the command line.

use std::process::ExitCode;

use clap::CommandFactory;
use serde::Serialize;

use crate::{
    cli::{Cli, Shell},
    error::Error,
    json,
    terminal::print,
};

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

/// Writes completions for a shell.
pub(crate) fn completions(shell: Shell, json: bool) -> Result<ExitCode, Error> {
    let mut script = Vec::new();
    clap_complete::generate(clap_complete::Shell::from(shell), &mut Cli::command(), "traceparent", &mut script);
    write(&script, json)
}

/// Writes the man page, with a section for each command.
pub(crate) fn man(json: bool) -> Result<ExitCode, Error> {
    let mut page = Vec::new();
    let mut command = Cli::command();
    command.build();
    let man = clap_mangen::Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        page.extend(format!(".SH \"TRACEPARENT {}\"\n", subcommand.get_name().to_uppercase()).bytes());
        let man = clap_mangen::Man::new(subcommand.clone());
        man.render_description_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    write(&page, json)
}

fn write(text: &[u8], json: bool) -> Result<ExitCode, Error> {
    let text = String::from_utf8_lossy(text);
    let text = if json { json::pretty(&Text { text: &text })? } else { text.into_owned() };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
