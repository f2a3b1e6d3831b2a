//! The steps: each does one thing, shows it, and checks what it claims.

use iceberg::spec::{PrimitiveType, Type};
use indicatif::ProgressBar;
use tributary_ingest::Report;
use tributary_table::TableState;

use super::census::Census;
use super::claims::Claims;
use super::feed::{Feed, NEW_FIELD, PARTITIONS, TOPIC, committed_offsets};
use super::stage::{CATALOG_NAME, Stage, TABLE};
use super::{DemoError, DemoReport};
use crate::ddl::columns_text;
use crate::render::{Grid, Out};
use crate::scan::Scan;
use crate::table_commands::{checkpoint_grid, snapshots_grid};

/// Events of the second step.
const EVENTS: u64 = 3;
/// Rows and snapshots shown at one time.
const SHOWN_MAX: usize = 5;

/// A running demo.
#[derive(Debug)]
pub(super) struct Demo<'a, 'b> {
    pub(super) stage: Stage,
    pub(super) feed: Feed,
    pub(super) rows_per_event: u32,
    /// What the last full scan found.
    pub(super) census: Census,
    last_event: String,
    pub(super) claims: Claims,
    pub(super) report: DemoReport,
    pub(super) out: &'a mut Out<'b>,
}

impl<'a, 'b> Demo<'a, 'b> {
    /// Step 1: the table is made, or found.
    pub(super) async fn begin(stage: Stage, rows_per_event: u32, out: &'a mut Out<'b>) -> Result<Self, DemoError> {
        let proves = "A lakehouse needs a catalog and a place for files; here one SQLite file and one folder are both.";
        out.step(1, &format!("The table {TABLE}"), proves)?;
        let (state, found) = stage.open_or_create().await?;
        let census = Census::of(stage.ident(), &state).await?;
        let location = state.metadata().location();
        if found {
            let (rows, snapshots) = (census.rows, state.metadata().snapshots().len());
            out.line(format!("   found at {location}\n   with {rows} rows in {snapshots} snapshots of earlier runs; going on from its checkpoint"))?;
        } else {
            out.line(format!("   created at {location}"))?;
        }
        out.line(format!("   columns: {}", columns_text(state.schema())))?;
        let mut claims = Claims::default();
        claims.check(out, "no row is in the table twice", &census.rows, &census.ids)?;
        let report = DemoReport {
            table: TABLE.to_owned(),
            catalog: stage.catalog_file(),
            rows_found: census.rows,
            column_changed: NEW_FIELD.to_owned(),
            ..DemoReport::default()
        };
        let feed = Feed::after(state.checkpoint());
        Ok(Self { stage, feed, rows_per_event, census, last_event: String::new(), claims, report, out })
    }

    /// Step 2: events become rows, and the offsets are committed with them.
    pub(super) async fn ingest(&mut self) -> Result<(), DemoError> {
        let proves = "Kafka events, as Lambda gets them from Amazon MSK, become rows; the offsets are committed in the same step.";
        self.out.step(2, &format!("{EVENTS} events of topic {TOPIC}, {PARTITIONS} partitions"), proves)?;
        // Drawn on standard error, and only where that is a terminal.
        let progress = ProgressBar::new(EVENTS);
        for _ in 0..EVENTS {
            self.deliver_new(false).await?;
            progress.inc(1);
        }
        progress.finish_and_clear();
        let added = EVENTS * u64::from(self.rows_per_event);
        let state = self.expect_added(added).await?;
        let offsets = committed_offsets(state.checkpoint());
        let produced = self.feed.next_offsets().iter().filter(|(_, next)| **next > 0);
        let produced = produced.map(|(partition, next)| (*partition, *next)).collect();
        self.claims.check(self.out, "the checkpoint in the table ends where the topic ends", &produced, &offsets)?;
        self.show_rows(&state).await?;
        self.out.grid("Snapshots, newest first", &snapshots_grid(state.metadata(), SHOWN_MAX))?;
        Ok(self.out.grid("Checkpoint", &checkpoint_grid(state.checkpoint()))?)
    }

    /// Step 3: the last event is delivered once more, as an event source mapping may do at any time.
    pub(super) async fn deliver_again(&mut self) -> Result<(), DemoError> {
        let proves = "Delivery is at least once; the table's own checkpoint makes rows exactly once.";
        self.out.step(3, "The last event is delivered again", proves)?;
        let before = self.stage.read_anew().await?.metadata().current_snapshot_id();
        let event = std::mem::take(&mut self.last_event);
        let report = self.stage.deliver(&event).await?;
        self.show_report(&report)?;
        let sent = u64::from(self.rows_per_event);
        self.claims.check(self.out, "every record was recognised as redelivered", &sent, &report.rows_redelivered)?;
        self.report.redelivered += report.rows_redelivered;
        let state = self.expect_added(0).await?;
        let after = state.metadata().current_snapshot_id();
        self.claims.check(self.out, "there is no new snapshot", &before, &after)
    }

    /// Step 4: a column is added, as any engine may do, and the next event fills it.
    pub(super) async fn add_column(&mut self) -> Result<(), DemoError> {
        let proves =
            "The table's schema is the only one: a new column counts from the next event on, without a restart.";
        self.out.step(4, &format!("Column `{NEW_FIELD}` is added"), proves)?;
        let there = self.stage.read_anew().await?.schema().field_by_name(NEW_FIELD).is_some();
        if there {
            self.out.line("   it is there already: an earlier run ended before it dropped the column")?;
        } else {
            let column_type = Type::Primitive(PrimitiveType::String);
            self.stage.table().add_column(NEW_FIELD, &column_type, self.stage.deadline()).await?;
            self.expect_added(0).await?;
            self.claims.check(self.out, "all old rows read NULL in it", &0, &self.census.filled)?;
        }
        let filled_before = self.census.filled;
        let report = self.deliver_new(true).await?;
        self.show_report(&report)?;
        let added = u64::from(self.rows_per_event);
        let state = self.expect_added(added).await?;
        let filled = self.census.filled;
        self.claims.check(
            self.out,
            "every new row has a value in it, and no old row got one",
            &(filled_before + added),
            &filled,
        )?;
        self.report.column_filled = filled;
        self.report.column_null = self.census.rows - filled;
        self.show_rows(&state).await
    }

    /// Step 5: the column is dropped while producers still send its field.
    pub(super) async fn drop_column(&mut self) -> Result<(), DemoError> {
        let proves = "A dropped column is gone from the next event on, even while producers still send its field.";
        self.out.step(5, &format!("Column `{NEW_FIELD}` is dropped"), proves)?;
        self.stage.table().drop_column(NEW_FIELD, self.stage.deadline()).await?;
        let report = self.deliver_new(true).await?;
        self.show_report(&report)?;
        let added = u64::from(self.rows_per_event);
        self.claims.check(
            self.out,
            "the field was ignored in every record, and counted",
            &added,
            &report.fields_ignored,
        )?;
        let state = self.expect_added(added).await?;
        let there = state.schema().field_by_name(NEW_FIELD).is_some();
        self.claims.check(self.out, "the table has no such column any more", &false, &there)?;
        self.show_rows(&state).await
    }

    /// Sums up, and says how to look at the table with other tools.
    pub(super) async fn end(mut self) -> Result<DemoReport, DemoError> {
        let state = self.stage.read_anew().await?;
        let columns = state.schema().as_struct().fields().iter();
        self.report.columns = columns.map(|column| column.name.clone()).collect();
        self.report.metadata_location = state.metadata_location().to_owned();
        self.report.rows = self.census.rows;
        self.report.snapshots = state.metadata().snapshots().len() as u64;
        self.report.next_offsets = committed_offsets(state.checkpoint());
        self.report.claims = self.claims.held();
        let DemoReport { rows, rows_added, snapshots, redelivered, claims, .. } = &self.report;
        self.out.line(format!(
            "\nDone: {rows} rows ({rows_added} new) in {snapshots} snapshots, {redelivered} redelivered records dropped; \
             all {claims} claims held."
        ))?;
        self.show_what_next()?;
        Ok(self.report)
    }

    /// Delivers an event with new rows.
    async fn deliver_new(&mut self, with_new_field: bool) -> Result<Report, DemoError> {
        let event = self.feed.event(self.rows_per_event, self.stage.now_ms(), with_new_field);
        let report = self.stage.deliver(&event).await?;
        self.last_event = event;
        self.report.rows_added += report.rows_committed;
        Ok(report)
    }

    /// Reads the whole table anew and checks that just so many rows came.
    pub(super) async fn expect_added(&mut self, added: u64) -> Result<TableState, DemoError> {
        let state = self.stage.read_anew().await?;
        let expected = self.census.rows + added;
        self.census = Census::of(self.stage.ident(), &state).await?;
        let claim = match added {
            0 => format!("nothing was added: a full scan still counts {expected} rows, each with an id of its own"),
            _ => format!("a full scan counts {expected} rows, {added} more than before, each with an id of its own"),
        };
        let found = (self.census.rows, self.census.ids);
        self.claims.check(self.out, &claim, &(expected, expected), &found)?;
        Ok(state)
    }

    async fn show_rows(&mut self, state: &TableState) -> Result<(), DemoError> {
        let rows = Scan::new(self.stage.ident(), state).newest(SHOWN_MAX).await?;
        Ok(self.out.grid("Newest rows", &rows)?)
    }

    fn show_report(&mut self, report: &Report) -> Result<(), DemoError> {
        let mut grid = Grid::new(&["records in#", "rows committed#", "redelivered#", "fields ignored#"]);
        let Report { rows_in, rows_committed, rows_redelivered, fields_ignored, .. } = report;
        let counts = [rows_in, rows_committed, rows_redelivered, fields_ignored];
        grid.push(&counts.map(u64::to_string));
        Ok(self.out.grid("The function's answer", &grid)?)
    }

    fn show_what_next(&mut self) -> Result<(), DemoError> {
        let catalog = self.stage.catalog_file();
        let warehouse = self.stage.folder().join("warehouse");
        let metadata = &self.report.metadata_location;
        let lines = [
            "\nLook at the table".to_owned(),
            format!("  tributary table show {TABLE} --catalog sqlite:{catalog}"),
            format!("  duckdb -c \"INSTALL iceberg; LOAD iceberg; SELECT kind, count(*) FROM iceberg_scan('{metadata}') GROUP BY ALL\""),
            "  pip install 'pyiceberg[sql-sqlite,pyarrow]' && python -c \"from pyiceberg.catalog import load_catalog; \\".to_owned(),
            format!("    c = load_catalog('{CATALOG_NAME}', type='sql', uri='sqlite:///{catalog}', warehouse='file://{}'); \\", warehouse.display()),
            format!("    print(c.load_table('{TABLE}').scan(limit=5).to_arrow())\""),
            "\nNext: the same table from a real Kafka broker at 127.0.0.1:9092".to_owned(),
            "  tributary publish --create-topic 3 --count 1000 --rate 1000".to_owned(),
            format!("  tributary poll --until-idle-ms 3000 --table {TABLE} --catalog sqlite:{catalog}"),
        ];
        for line in lines {
            self.out.line(line)?;
        }
        Ok(())
    }
}
