//! Orders through the three stages of the sample project.

use crate::support::{
    Books, Project,
    orders::{self, Sender},
    reading::Tail,
};

#[test]
fn every_order_is_once_where_it_belongs_and_the_books_say_so() {
    let project = Project::with_topics("flow");
    let hub = project.start(&["up", "--no-forward"]);
    let workload = orders::send(&project, 20_000, 42);
    orders::wait(&project, &workload);
    hub.stop();

    orders::check(&project, &workload);
    let books = Books::check(&project);
    for stage in ["extract", "transform", "load"] {
        let runs = books.of_stage(&project, stage);
        assert_eq!(runs.len(), 1, "{stage} has one run");
        assert_eq!(runs[0].end(), "COMPLETE");
    }
}

#[test]
fn a_stop_in_mid_run_drains_and_the_next_start_goes_on_from_there() {
    let project = Project::with_topics("drain");
    let hub = project.start(&["up", "--no-forward"]);
    let sender = Sender::start(&project, 20_000, 7, 10_000);
    Tail::open(&project.cluster, &project.name("orders.loaded")).wait_for(1000);
    hub.stop();

    let books = Books::read(&project);
    for stage in ["extract", "transform", "load"] {
        assert_eq!(books.ended(&project, stage, "COMPLETE"), 1, "{stage}");
    }
    let workload = sender.stop();
    let hub = project.start(&["up", "--no-forward"]);
    orders::wait(&project, &workload);
    hub.stop();

    orders::check(&project, &workload);
    let books = Books::check(&project);
    for stage in ["extract", "transform", "load"] {
        assert_eq!(books.ended(&project, stage, "COMPLETE"), 2, "{stage}");
        assert_eq!(books.of_stage(&project, stage).len(), 2, "{stage}");
    }
}
