## command line: errors. One sentence: what happened, where, and what to do. No full stop.

cli-error = error: { $what }
cli-failed = { $reason }
cli-folder-held = the data folder { $path } is in use by process { $process }: stop that one first, or name another folder with --data
cli-folder-unreachable = the data folder { $path } is in use by another process that takes no commands ({ $reason }): wait for it or stop it
cli-folder-missing = there is no data folder at { $path }: name it with --data, or make one with `wayfarer admin site add`
cli-folder-not-ours = { $path } is not empty and no data folder of Wayfarer: name another with --data
cli-folder-unusable = the data folder cannot be used at { $path } ({ $reason }): see to its owner and mode, or name another with --data
cli-folder-newer = { $path } has version { $found } and this wayfarer reads up to { $known }: use a newer wayfarer
cli-newer = a newer wayfarer wrote this ({ $reason }): use that one
cli-corrupt = the data folder is damaged ({ $reason }): restore it from a backup
cli-storage-full = the disk is full ({ $reason }): make room and run the same again; what was acknowledged is kept
cli-disk-full = the disk is full at { $path }: make room and run the same again
cli-busy = there is too much to do just now ({ $reason }): try again
cli-write = { $path } cannot be written ({ $reason }): name another file
cli-read = { $path } cannot be read ({ $reason }): see to its name and mode
cli-output = standard output takes no more ({ $reason })
cli-query-unbuilt = this command has no engine for SQL yet (Rust programs have the crate wayfarer-query); ask DuckDB: { $line }
cli-export-format = { $path } has no ending that says the format: use { $known }
cli-token-unknown = there is no token { $id }: see `wayfarer admin token list`
cli-saved-unknown = there is no { $kind } { $name }: see `wayfarer admin { $kind } list`
cli-no-secret = the secret key is needed: name its file with --secret-key-file
cli-no-variable = the environment has no variable { $name }: set it, or use --secret-key-file
cli-session-refused = the value is refused ({ $reason }): check the secret key, its fallbacks and the salt
cli-ticket-refused = the cookie is refused: none of the keys signed it
cli-session-no-object = the session is no JSON object ({ $reason })
cli-session-unknown = there is no live session { $handle }: see `wayfarer session list`
cli-store-unknown = { $url } is no address of a store: see `wayfarer session list --help`
cli-store-missing = there is no store at { $path }
cli-store-unlike = the two stores write sessions differently: copy native sessions to native ones, and Django's to Django's
cli-port-in-use = the address { $address } is in use by another program: stop that one, or choose another with --listen
cli-listen = the address { $address } cannot be listened on ({ $reason }): choose another with --listen
cli-not-loopback = { $address } can be reached by others, and nobody has to log in yet: listen on 127.0.0.1 and let a proxy ask for a password
cli-check-failed = the check found { $problems ->
    [one] one problem
   *[other] { $problems } problems
} in the data folder: restore it from a backup, or report this
cli-erase-whom = say whom to erase: --user U or --visitor V
cli-demo-differs = { $acknowledged } events were acknowledged, but { $counted } are in the lake: please report this

## command line: answers

cli-exported = { $events } events are in { $path }
cli-imported = { $read } lines read: { $imported } imported, { $duplicates } there already, { $rejected } rejected, { $bots } by bots; { $visitors } visitors; { $seconds } s
cli-report-empty = There is nothing to report for this question.
cli-serving = Wayfarer serves { $path } at { $url }
cli-demo = Shop:      { $shop }
    Dashboard: { $dashboard }
    Ctrl-C ends it.
cli-site-added = The site { $site } has its days in { $zone }.
cli-token-revoked = The token { $id } is good for nothing any more.
cli-saved = { $name } is saved.
cli-saved-removed = { $name } is forgotten.

## command line: fields of reports and lists

field-active-now = active now
field-active-s = active time
field-adopted = files taken in
field-appended = events stored
field-bots = bots
field-bounce = bounce
field-bounce-rate = bounce rate
field-bytes = Parquet
field-conflicts = conflicts
field-conversions = conversions
field-created-at = made
field-declined = declined
field-did = did
field-did-not = did not
field-duckdb = DuckDB
field-duplicates = there already
field-duration-s = duration
field-end = end
field-engaged-rate = engaged rate
field-entry = entry
field-erased-at = erased at
field-erased-rows = rows erased
field-events = events
field-exit = exit
field-expired = rows too old
field-expired-rows = rows expired
field-failed = failed
field-files = files
field-filter = filter
field-folder = folder
field-hosts = hosts
field-hot-bytes = memory of hot rows
field-hot-rows = hot rows
field-id = id
field-id-files = files of ids
field-ids = ids forgotten
field-keep-days = kept for days
field-key = key
field-lag-s = files are behind by
field-log-bytes = written to the log
field-log-syncs = syncs of the log
field-made = files made
field-merged = files merged
field-merged-rows = rows merged
field-merges = merges
field-merges-failed = merges failed
field-models = models trained again
field-name = name
field-oldest-wal = oldest in the log
field-pageviews = page views
field-refused-busy = refused: too much at once
field-refused-full = refused: disk full
field-refused-too-large = refused: too large
field-removed = files removed
field-revenue = revenue
field-rows = rows
field-scope = scope
field-sealed-rows = rows sealed
field-seals = seals
field-seals-failed = seals failed
field-segment = of segments
field-site = site
field-sites = sites
field-snapshot = snapshot
field-snapshots = old snapshots let go
field-start = start
field-t = time
field-timezone = time zone
field-tokens = tokens
field-trouble = trouble
field-version = version
field-views-per-visit = views per visit
field-visit = visit
field-visit-duration-s = visit duration
field-visitor = visitor
field-visitors = visitors
field-visits = visits
field-wal-bytes = log
field-wal-segments = segments of the log
field-within = within
