//! `bedside-patient explain`: a parameter in words.

use netconsole_wire::parameter;

use crate::cli::ExplainArgs;
use crate::tell::say;
use crate::{Exit, exit};

pub(crate) fn run(args: &ExplainArgs) -> Exit {
    match parameter::parse(&args.parameter) {
        Ok(parameter) => {
            say!("{}", parameter.explain().to_string().trim_end());
            Exit::Well
        }
        Err(error) => {
            let caret = format!("{}\n{:>2$}", args.parameter, "^", error.offset + 1);
            exit::tell(Exit::Problem, &format!("{error}\n{caret}"))
        }
    }
}
