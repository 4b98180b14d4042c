title = Wayfarer
live-missed = { $count ->
    [one] { $count } event was left out
   *[other] { $count } events were left out
}
