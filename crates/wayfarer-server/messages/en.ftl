# The dashboard. Every key is in zh-CN.ftl too, with the same variables; a test sees to it.
title = Wayfarer
skip = Skip to the numbers
site = Site
period = Period
language = Language
period-today = Today
period-7d = 7 days
period-30d = 30 days
period-all = All
filters = Filters
filter = Filter
filter-add = Add filter
filter-remove = Remove filter
filter-hint = such as path ~ '^/product/' and country = 'DE'
filter-problem = This filter cannot be used
overview = Overview
compared = compared with the period before
over-time = Over time
as-table = As a table
time = Time
now = Here now
now-none = Nobody is here at the moment.
now-visitors = visitors in the last five minutes
page = Page
visitor = Visitor
views = Views
last-seen = Last seen
live = Live
live-off = New events appear by themselves where JavaScript is on.
live-wait = Waiting for the next event …
live-lost = The connection was lost. Trying again …
live-missed = { $count ->
    [one] { $count } event was left out
   *[other] { $count } events were left out
}
bots-hidden = { $count ->
    [0] No bots in this period
    [one] { $shown } event of bots is left out
   *[other] { $shown } events of bots are left out
}
bots-shown = { $count ->
    [one] { $shown } event of bots is included
   *[other] { $shown } events of bots are included
}
bots-show = Show bots
bots-hide = Leave bots out
nothing-yet = Nothing in this period yet
unknown = (not known)
list-pages = Pages
list-sources = Sources
list-events = Events
list-devices = Devices
list-places = Audience
list-more = { $count ->
    [one] and { $count } more
   *[other] and { $count } more
}
by-path = Page
by-entry = Entry
by-exit = Exit
by-source = Source
by-channel = Channel
by-referrer = Referrer
by-utm_campaign = Campaign
by-name = Event
by-status = Status
by-browser = Browser
by-os = System
by-device = Device
by-language = Language
by-country = Country
metric-visitors = Visitors
metric-visits = Visits
metric-pageviews = Page views
metric-events = Events
metric-bounce_rate = Bounce rate
metric-visit_duration_s = Visit duration
metric-views_per_visit = Views per visit
value-source-direct = Direct
value-channel-direct = Direct
value-channel-organic-search = Organic search
value-channel-organic-social = Social
value-channel-referral = Referral
value-channel-email = E-mail
value-device-desktop = Desktop
value-device-mobile = Phone
value-device-tablet = Tablet
value-name-page-view = Page view
value-name-engagement = Engagement
value-name-click = Click
value-name-login = Log-in
value-name-logout = Log-out
value-name-login-failed = Failed log-in
value-name-session = Session
value-name-purchase = Purchase
value-name-add-to-cart = Added to cart
duration-s = { $s } s
duration-m = { $m } m { $s } s
duration-h = { $h } h { $m } m
exact = Every number is exact and counts whatever happened up to this moment. Days are those of { $timezone }.
welcome = Nothing has happened yet
welcome-text = Make a site, then send events or import a log. This page fills by itself.
welcome-site = Make a site
welcome-import = Import an access log
welcome-token = Make a token for the tracker in your pages
