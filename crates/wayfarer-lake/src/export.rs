//! Full rows in order: what `export` prints, and what tests compare.

use std::{cmp::Reverse, collections::BinaryHeap, ops::RangeInclusive, sync::Arc};

use wayfarer_event::{Column, Event, Micros, Text, VisitorId, VisitorKind};

use crate::{Block, Person, Result, Run, Scan, Stored, View, block::Values, person::Target};

/// A person with more visitors than this is looked for in one pass over all of theirs.
const FEW_VISITORS: usize = 32;

/// Which rows an export gives. The default is every row.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Of one site; of all when not given.
    pub site: Option<String>,
    /// At or after this instant.
    pub from: Option<Micros>,
    /// Before this instant.
    pub until: Option<Micros>,
    /// Of one person.
    pub person: Option<Person>,
}

impl Selection {
    /// The parts to read, in order. Blocking, where a user's visitors have to be found.
    fn parts(&self, view: &View) -> Result<Vec<Part>> {
        let sites = match &self.site {
            Some(site) => vec![site.clone()],
            None => view.sites(),
        };
        let Some(person) = &self.person else {
            return Ok(sites.into_iter().map(Part::whole).collect());
        };
        let mut parts = Vec::new();
        for site in sites {
            let mut target = Target::new(&site, person);
            target.link(view)?;
            parts.extend(Part::of(target));
        }
        Ok(parts)
    }
}

/// Some visitors of a site, and perhaps only some of their rows.
#[derive(Clone, Debug)]
struct Part {
    site: String,
    visitors: RangeInclusive<u64>,
    target: Option<Arc<Target>>,
}

impl Part {
    fn whole(site: String) -> Part {
        Part { site, visitors: 0..=u64::MAX, target: None }
    }

    /// A person's rows: a part a visitor, so that only the row groups that can hold them are read.
    fn of(target: Target) -> Vec<Part> {
        let target = Arc::new(target);
        let ranges: Vec<RangeInclusive<u64>> = match target.visitors.len() {
            0..=FEW_VISITORS => target.visitors.iter().map(|visitor| *visitor..=*visitor).collect(),
            _ => vec![0..=u64::MAX],
        };
        let part = |visitors| {
            let (site, target) = (target.site.clone(), Some(Arc::clone(&target)));
            Part { site, visitors, target }
        };
        ranges.into_iter().map(part).collect()
    }
}

/// Iterates over full rows in the order (site, visitor, ts, seq, writer). See [`View::select`].
#[derive(Debug)]
pub struct Export {
    view: View,
    from: Option<Micros>,
    until: Option<Micros>,
    /// The parts to come, last first.
    parts: Vec<Part>,
    part: Part,
    runs: Vec<Cursor>,
    /// The next row of each run that has one.
    heads: BinaryHeap<Reverse<(Key, usize)>>,
    failed: bool,
}

/// visitor, ts, seq, writer
type Key = (u64, i64, u64, u64);

#[derive(Debug)]
struct Cursor {
    run: Run,
    block: Option<Block>,
    row: usize,
}

impl Export {
    pub(crate) fn new(view: View, selection: &Selection) -> Result<Export> {
        let mut parts = selection.parts(&view)?;
        parts.reverse();
        Ok(Export {
            view,
            from: selection.from,
            until: selection.until,
            parts,
            part: Part::whole(String::new()),
            runs: Vec::new(),
            heads: BinaryHeap::new(),
            failed: false,
        })
    }

    fn advance(&mut self) -> Result<Option<Stored>> {
        loop {
            while self.heads.is_empty() {
                let Some(part) = self.parts.pop() else { return Ok(None) };
                self.open(part)?;
            }
            let Some(Reverse((_, index))) = self.heads.pop() else { return Ok(None) };
            let Some(cursor) = self.runs.get_mut(index) else { return Ok(None) };
            let stored = cursor.stored(&self.part);
            cursor.row += 1;
            if let Some(key) = cursor.key()? {
                self.heads.push(Reverse((key, index)));
            }
            if stored.is_some() {
                return Ok(stored);
            }
        }
    }

    fn open(&mut self, part: Part) -> Result<()> {
        let scan = Scan {
            from: self.from,
            until: self.until,
            visitors: part.visitors.clone(),
            ..Scan::new(part.site.as_str(), Column::ALL)
        };
        self.part = part;
        self.runs.clear();
        for run in self.view.runs(&scan)? {
            let mut cursor = Cursor { run, block: None, row: 0 };
            if let Some(key) = cursor.key()? {
                self.heads.push(Reverse((key, self.runs.len())));
                self.runs.push(cursor);
            }
        }
        Ok(())
    }
}

impl Iterator for Export {
    type Item = Result<Stored>;

    fn next(&mut self) -> Option<Result<Stored>> {
        if self.failed {
            return None;
        }
        let next = self.advance();
        self.failed = next.is_err();
        next.transpose()
    }
}

impl Cursor {
    /// The row that the cursor stands on, if it is of the part.
    fn stored(&self, part: &Part) -> Option<Stored> {
        let block = self.block.as_ref()?;
        let user = Column::User.index();
        let wanted = part.target.as_ref().is_none_or(|of| of.has_row(block, user, self.row));
        wanted.then(|| stored(&part.site, block, self.row))
    }

    /// The key of the row that the cursor stands on; reads the next block where one ends.
    fn key(&mut self) -> Result<Option<Key>> {
        loop {
            if let Some(key) = self.block.as_ref().and_then(|block| block.key(self.row)) {
                return Ok(Some(key));
            }
            self.block = self.run.next_block()?;
            self.row = 0;
            if self.block.is_none() {
                return Ok(None);
            }
        }
    }
}

/// A row of a block that has every column, in the order of the table.
fn stored(site: &str, block: &Block, row: usize) -> Stored {
    let cells = Cells { block, row };
    let kind = cells.text(Column::VisitorKind);
    let kind = VisitorKind::ALL.into_iter().find(|known| kind.as_deref() == Some(known.as_str()));
    let event = Event {
        site: site.into(),
        visitor: VisitorId(block.visitor(row).unwrap_or_default()),
        visitor_kind: kind.unwrap_or_default(),
        session: cells.text(Column::Session),
        user: cells.text(Column::User),
        name: cells.text(Column::Name).unwrap_or_default(),
        ts: Micros(block.ts.get(row).copied().unwrap_or_default()),
        received_at: Micros(cells.int(Column::ReceivedAt).unwrap_or_default()),
        id: cells.text(Column::Id),
        host: cells.text(Column::Host),
        path: cells.text(Column::Path),
        route: cells.text(Column::Route),
        method: cells.text(Column::Method),
        status: cells.int(Column::Status).and_then(|status| status.try_into().ok()),
        latency_ms: cells.float(Column::LatencyMs),
        title: cells.text(Column::Title),
        referrer: cells.text(Column::Referrer),
        source: cells.text(Column::Source),
        channel: cells.text(Column::Channel),
        utm_source: cells.text(Column::UtmSource),
        utm_medium: cells.text(Column::UtmMedium),
        utm_campaign: cells.text(Column::UtmCampaign),
        utm_term: cells.text(Column::UtmTerm),
        utm_content: cells.text(Column::UtmContent),
        click_id: cells.text(Column::ClickId),
        country: cells.text(Column::Country),
        region: cells.text(Column::Region),
        city: cells.text(Column::City),
        language: cells.text(Column::Language),
        browser: cells.text(Column::Browser),
        browser_version: cells.text(Column::BrowserVersion),
        os: cells.text(Column::Os),
        os_version: cells.text(Column::OsVersion),
        device: cells.text(Column::Device),
        screen: cells.text(Column::Screen),
        active_ms: cells.int(Column::ActiveMs).and_then(|active| active.try_into().ok()),
        scroll: cells.int(Column::Scroll).and_then(|scroll| scroll.try_into().ok()),
        value: cells.float(Column::Value),
        currency: cells.text(Column::Currency),
        bot_reason: cells.text(Column::BotReason),
        props: cells.text(Column::Props),
    };
    let (_, _, seq, writer) = block.key(row).unwrap_or_default();
    Stored { event, writer, seq }
}

struct Cells<'a> {
    block: &'a Block,
    row: usize,
}

impl Cells<'_> {
    fn values(&self, column: Column) -> Option<&Values> {
        self.block.columns.get(column.index())
    }

    fn text(&self, column: Column) -> Option<Text> {
        self.values(column)?.text_at(self.row).map(Text::from)
    }

    fn int(&self, column: Column) -> Option<i64> {
        let Values::Int { values, nulls } = self.values(column)? else { return None };
        let valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(self.row));
        valid.then(|| values.get(self.row).copied()).flatten()
    }

    fn float(&self, column: Column) -> Option<f64> {
        let Values::Float { values, nulls } = self.values(column)? else { return None };
        let valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(self.row));
        valid.then(|| values.get(self.row).copied()).flatten()
    }
}
