title = Wayfarer
live-missed = 有 { $count } 个事件未显示
