## command line: errors. One sentence: what happened, where, and what to do. No full stop.

cli-error = 错误：{ $what }
cli-failed = { $reason }
cli-folder-held = 数据目录 { $path } 正被进程 { $process } 使用，请先停止该进程，或用 --data 指定其他目录
cli-folder-unreachable = 数据目录 { $path } 正被另一个不接受命令的进程使用（{ $reason }），请等它结束或将其停止
cli-folder-missing = { $path } 处没有数据目录，请用 --data 指定，或用 `wayfarer admin site add` 新建
cli-folder-not-ours = { $path } 不是空目录，也不是 Wayfarer 的数据目录，请用 --data 指定其他目录
cli-folder-unusable = 无法使用数据目录，问题出在 { $path }（{ $reason }），请检查属主和权限，或用 --data 指定其他目录
cli-folder-newer = { $path } 的版本是 { $found }，本程序最高只能读 { $known }，请使用更新的 wayfarer
cli-newer = 这是更新版本的 wayfarer 写入的（{ $reason }），请使用那个版本
cli-corrupt = 数据目录已损坏（{ $reason }），请从备份恢复
cli-storage-full = 磁盘已满（{ $reason }），请腾出空间后重新运行，已确认的数据不会丢失
cli-disk-full = { $path } 所在磁盘已满，请腾出空间后重新运行
cli-busy = 目前任务太多（{ $reason }），请稍后再试
cli-write = 无法写入 { $path }（{ $reason }），请指定其他文件
cli-read = 无法读取 { $path }（{ $reason }），请检查文件名和权限
cli-output = 标准输出无法继续写入（{ $reason }）
cli-export-format = 从 { $path } 的扩展名看不出格式，请使用 { $known }
cli-token-unknown = 没有令牌 { $id }，请查看 `wayfarer admin token list`
cli-port-in-use = 地址 { $address } 已被其他程序占用，请停止该程序，或用 --listen 指定其他地址
cli-listen = 无法监听地址 { $address }（{ $reason }），请用 --listen 指定其他地址
cli-not-loopback = { $address } 可被他人访问，而目前还没有登录功能，请监听 127.0.0.1，并由代理来验证身份
cli-demo-differs = 已确认 { $acknowledged } 个事件，但数据湖中有 { $counted } 个，请报告此问题

## command line: answers

cli-exported = 已将 { $events } 个事件写入 { $path }
cli-imported = 读取 { $read } 行：导入 { $imported }，已存在 { $duplicates }，拒绝 { $rejected }，爬虫 { $bots }；访客 { $visitors }；用时 { $seconds } 秒
cli-report-empty = 没有符合条件的数据。
cli-serving = Wayfarer 正在 { $url } 提供服务，数据目录 { $path }
cli-demo = 商店：{ $shop }
    仪表盘：{ $dashboard }
    按 Ctrl-C 结束。
cli-site-added = 站点 { $site } 的日期按 { $zone } 计算。
cli-token-revoked = 令牌 { $id } 已失效。

## command line: fields of reports and lists

field-active-now = 当前在线
field-active-s = 活跃时长
field-bots = 爬虫
field-bounce = 跳出
field-bounce-rate = 跳出率
field-bytes = Parquet 大小
field-conversions = 转化
field-created-at = 创建时间
field-duckdb = DuckDB
field-duration-s = 时长
field-end = 结束
field-engaged-rate = 参与率
field-entry = 入口页
field-events = 事件
field-exit = 退出页
field-files = 文件
field-folder = 目录
field-hosts = 主机名
field-hot-bytes = 热数据内存
field-hot-rows = 热数据行
field-id = 编号
field-key = 项目
field-name = 名称
field-oldest-wal = 日志中最早
field-pageviews = 浏览量
field-revenue = 收入
field-rows = 行数
field-scope = 权限
field-site = 站点
field-sites = 站点数
field-snapshot = 快照
field-start = 开始
field-t = 时间
field-timezone = 时区
field-tokens = 令牌数
field-trouble = 故障
field-version = 版本
field-views-per-visit = 每次访问浏览量
field-visit = 访问
field-visit-duration-s = 访问时长
field-visitor = 访客
field-visitors = 访客
field-visits = 访问
field-wal-bytes = 日志大小
field-wal-segments = 日志分段
