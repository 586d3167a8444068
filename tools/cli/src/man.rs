// SPDX-License-Identifier: GPL-2.0

//! The man page, made from the arguments.
//!
//! `Documentation/quarry.1` is the output of the hidden command `quarry man`, and a test sees to it
//! that it stays so.

use crate::{args::Cli, exit::Status, output, CommandResult};
use clap::{Command, CommandFactory};
use clap_mangen::{roff::Roff, Man};
use std::io;

/// What no argument says.
const FILES: [(&str, &str); 3] = [
    ("/dev/quarry", "the module's device; only root may open it"),
    (
        "/sys/kernel/debug/quarry/",
        "what quarry stat shows beside the counters of the device",
    ),
    ("/sys/module/quarry/", "there while the module is loaded"),
];

/// Exit statuses.
const STATUSES: [(&str, &str); 4] = [
    ("0", "all is well"),
    (
        "1",
        "the operation found errors (corruption, violations, an unexpected errno), or failed",
    ),
    ("2", "the command line is wrong"),
    ("4", "the module is not loaded"),
];

/// Commands to start with.
const EXAMPLES: [(&str, &str); 8] = [
    ("Whether all works here:", "quarry doctor"),
    (
        "Two million operations on four CPUs, in an order that can be repeated:",
        "quarry stress --threads 4 --ops 2000000 --seed 1",
    ),
    (
        "A trace of this machine, replayed, with its contents verified:",
        "cat /sys/kernel/tracing/trace | quarry replay --verify -",
    ),
    (
        "The page level of a recorded trace, accounted for but not replayed:",
        "quarry replay --level pages --dry-run boot.txt.xz",
    ),
    (
        "The footprint of a trace on quarry and on the kernel's own allocators:",
        "quarry replay --arm both boot.txt.xz",
    ),
    (
        "What is left of huge blocks after a long time of use:",
        "quarry bench frag",
    ),
    (
        "Where two objects of 100 bytes and one of 3000 lie:",
        "quarry explain kmalloc 100 100 3000",
    ),
    (
        "Free blocks and caches, every second:",
        "quarry stat blocks caches --watch 1",
    ),
];

/// Prints the man page.
pub fn run() -> CommandResult {
    output::print(&page()?)?;
    Ok(Status::Success)
}

/// Returns the man page.
fn page() -> io::Result<String> {
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    let mut page = b".\\\" SPDX-License-Identifier: GPL-2.0\n\
        .\\\" Made by 'quarry man': edit tools/cli/src/args.rs instead.\n"
        .to_vec();
    let man = Man::new(cli.clone()).manual("quarry").date("");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut commands = Roff::new();
    commands.control("SH", ["COMMANDS"]);
    commands.to_writer(&mut page)?;
    for command in visible(&cli) {
        page.extend(subsection("quarry", command)?);
        for inner in visible(command) {
            page.extend(subsection(
                &format!("quarry {}", command.get_name()),
                inner,
            )?);
        }
    }
    page.extend(list("EXIT STATUS", &STATUSES)?);
    page.extend(list("FILES", &FILES)?);
    page.extend(list("EXAMPLES", &EXAMPLES)?);
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Returns the commands below one that people are to know of.
fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

/// Returns what the page says of one command below `above`, without what applies to all of them.
fn subsection(above: &str, command: &Command) -> io::Result<Vec<u8>> {
    // Global options stand in the page's own section.
    let command = command
        .clone()
        .mut_args(|arg| {
            let everywhere =
                arg.is_global_set() || matches!(arg.get_id().as_str(), "help" | "version");
            if everywhere {
                arg.hide(true)
            } else {
                arg
            }
        })
        .disable_help_flag(true);
    let mut text = Vec::new();
    let mut heading = Roff::new();
    let name = format!("{above} {}", command.get_name());
    heading.control("SS", [name.as_str()]);
    heading.to_writer(&mut text)?;
    let has_options = command.get_arguments().any(|arg| !arg.is_hide_set());
    let man = Man::new(command);
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if has_options {
        man.render_options_section(&mut text)?;
    }
    // Sections of their own become paragraphs of this one.
    let text = String::from_utf8_lossy(&text)
        .replace(".SH SYNOPSIS\n", ".PP\n")
        .replace(".SH DESCRIPTION\n", ".PP\n")
        .replace(".SH OPTIONS\n", ".PP\n");
    Ok(text.into_bytes())
}

/// Returns a section that is a list of terms and what they mean.
fn list(title: &str, items: &[(&str, &str)]) -> io::Result<Vec<u8>> {
    let mut section = Roff::new();
    section.control("SH", [title]);
    for (term, meaning) in items {
        section.control("TP", []);
        section.text([clap_mangen::roff::bold(*term)]);
        section.text([clap_mangen::roff::roman(*meaning)]);
    }
    let mut text = Vec::new();
    section.to_writer(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_what_the_arguments_say() {
        let committed = include_str!("../../../Documentation/quarry.1");
        assert!(
            page().unwrap() == committed,
            "Documentation/quarry.1 is out of date: run 'quarry man > Documentation/quarry.1'"
        );
    }
}
