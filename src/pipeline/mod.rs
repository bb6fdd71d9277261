//! What is connected to what: topics, stages and SELECTs, as values.
//!
//! ```text
//! topics/*.yaml, pipelines/*.yaml -> project -> spec -> check -> plan
//!                                      yaml ----^        `----> problems
//! ```
//!
//! Read `spec` for what a user may write, `check` for what is asked of it,
//! `plan` for what a stage gets.
//!
//! # Guarantees
//!
//! All mistakes of all files are reported at once, each with file, line and
//! column, also those inside a SELECT. What comes out as a [`ProjectPlan`] runs
//! without a further question about its files.
//!
//! # Not here
//!
//! Kafka, and any I/O but the reading of the project's files in `files`, `folder`
//! and `git`.

pub mod check;
pub mod files;
mod folder;
pub mod git;
pub mod graph;
pub mod plan;
pub mod problem;
pub mod project;
mod route;
pub mod spec;
pub mod yaml;

pub use check::{CheckError, Checked, Options, check};
pub use git::GitLocation;
pub use plan::{PipelinePlan, ProjectPlan, StagePlan, TopicPlan};
pub use problem::{Place, Problem, Problems};
pub use project::{Project, ProjectError, SettingTopic, SettingTopics};
pub use route::{Route, RouteError};
