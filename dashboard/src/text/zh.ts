// The Chinese texts. Their keys are the English ones: the compiler and a test find a missing one.

export const zh = {
  // The markup.
  'Online in this channel': '此频道在线人数',
  'Language': '语言',
  'Sections of this page': '本页各部分',
  'Channel and publishing': '频道与发布',
  'Letters, digits, - and _ in parts separated by dots, or @ and a user':
    '字母、数字、- 和 _，各段以点分隔；或 @ 加用户',
  'Token, if one is needed': '令牌（如需要）',
  'Token': '令牌',
  'These streams need a token.': '这些流需要令牌。',
  'The gateway refuses this token for these streams.': '网关不接受此令牌用于这些流。',
  'The same from a shell': '在命令行中同样操作',
  'Say something on all three wires': '在三种线路上同时说点什么',
  'This tab does not get the message; every other subscriber does':
    '本标签页不会收到；其他订阅者都会收到',
  'Publish automatically': '自动发布',
  'Send as': '发送格式',
  'Messages in a burst': '一次突发的消息数',
  'Drops all three streams in this browser, as a failing network would':
    '在本浏览器断开三条流，如同网络故障',
  'Disconnects until you go online again; messages published in the meantime are replayed':
    '一直离线，直到你回来；其间发布的消息会补发',
  'Disconnects and publishes until the history no longer holds the last position; the gateway then reports the loss':
    '离线并不断发布，直到历史不再保留原来的位置；这时网关会报告丢失',
  'Reloads this page; each wire resumes after its last message':
    '重新加载本页：每种线路从最后一条消息之后继续',
  'Opens eight more streams and shows how many the browser allows':
    '再打开八条流，看浏览器放行几条',
  'Latency': '延迟',
  'Format': '格式',
  'Colours': '颜色',
  'Chat messages': '聊天记录',
  'Nobody has said anything yet.': '还没有人说话。',
  'Your name': '你的名字',
  'Say something': '说点什么',
  'Your message is not sent back to this tab': '你发送的消息不会回到本标签页',
  'Language of the code': '代码语言',
  'Progress': '进度',
  'The gateway ends this stream; watch it reconnect': '由网关断开此流，看它如何恢复',
  'This page ends the stream and reconnects': '由本页断开此流，然后重连',
  'This page stops reading, and the stream stalls': '本页停止读取，流随之停住',
  'From the first attempt to the first document': '从首次尝试到首个文档',
  'Half of this page’s messages took less time from publish to arrival':
    '本页消息从发布到收到，一半快于此值',
  'One in a hundred took longer': '百分之一的消息慢于此值',
  'How much each latency differs from the one before (RFC 3550)': '相邻延迟相差多少（RFC 3550）',
  'The number of reconnects, and the length of the last outage': '重连次数，以及最近一次中断多久',
  'Messages published before a reconnect and delivered after it': '恢复之前发布、之后补发的消息',
  'The number of gaps reported, and how many messages they may cover':
    '报告的缺口数，以及可能涉及的消息数',
  'No messages yet. Publish something, or try another channel.':
    '还没有消息。发布一条，或换个频道看看。',
  'for pages that listen: the browser itself reconnects and resumes.':
    '适合只收听的页面：浏览器自动重连并续传。',
  'for programs: every HTTP client reads it, and a slow reader slows it down.':
    '适合程序：任何 HTTP 客户端都能读取，读得慢，流就慢下来。',
  'for pages that also send: one connection for both directions.':
    '适合还要发送的页面：一条连接，双向收发。',
  'Measures the three wires in this browser, on this network':
    '在这个浏览器、这个网络上测量三种线路',
  'Each message still arrives once on every wire, or the gateway reports that it is lost. The buttons here affect all three wires; those in a card affect one.':
    '每条消息在每种线路上仍会送达一次，否则网关会报告丢失。这里的按钮会断开全部三种线路，卡片中的按钮只断开一种。',
  'A clock ticks on the channel {clock} until you publish or choose a channel.':
    '时钟在频道 {clock} 上滴答，直到你发布消息或选择频道。',
  'No clock ticks here, because the gateway does not let this page publish: {reason}. The streams are idle until something is published to {channel}.':
    '这里没有时钟，因为网关不允许本页发布：{reason}。在有消息发布到 {channel} 之前，三条流都是空闲的。',
  'The streams show the channel {channel}.': '三条流显示的是频道 {channel}。',
  'its channel cannot be read': '它的频道无法读取',
  'tick {n}': '滴答 {n}',
  'clock': '时钟',
  'median latency': '延迟中位数',
  'More figures': '更多指标',
  'response heads': '响应头部',
  'One stream, three wires': '一条流，三种线路',
  'online': '在线',
  'Three wires': '三种线路',
  'Break it': '弄坏它',
  'On the wire': '线路上的字节',
  'Chat': '聊天',
  'Code': '代码',
  'Which one?': '选哪一种？',
  'Comparison': '对比',
  'Channel': '频道',
  'Listen': '收听',
  'Message': '消息',
  'Text': '文本',
  'Event': '事件',
  'Skip self': '跳过自己',
  'Publish': '发布',
  'publishes,': '发布，',
  'begins a new line': '换行',
  'a second': '每秒',
  'bytes each': '字节/条',
  'Stop': '停止',
  'Reset figures': '清零',
  'Resets all figures and measures again': '全部清零，重新测量',
  'Over the WebSocket': '经由 WebSocket',
  'Sends it over the open WebSocket instead of with a separate request':
    '通过已打开的 WebSocket 发送，而不另发请求',
  'Burst of': '突发',
  'Drop all here': '本端全部断开',
  'Outrun the history': '超出历史',
  'Reload': '重新加载',
  'Open eight streams': '打开八条流',
  'Part of the stream': '流的哪一部分',
  'Head': '头部',
  'Heartbeat': '心跳',
  'End': '结尾',
  'documents': '文档',
  'raw': '原始',
  'framing': '帧',
  'fields': '字段',
  'document': '文档',
  'Publish something, or select a message above, to see its bytes on each wire as the gateway sends them. Point at a byte, or move to it with the arrow keys, to see what it is for.':
    '发布一条消息，或在上面选一条：这里显示它在每种线路上由网关发出的字节。指向某个字节，或用方向键移到那里，可看到它的用途。',
  'Open this page in a second tab. The lights show which wires have delivered a line.':
    '在第二个标签页打开本页。小灯表示哪些线路送来了这句话。',
  'Send': '发送',
  'Copy': '复制',
  'Measures each wire by itself, then all three together, cuts each of them once, and reports the results for this browser on this network.':
    '先逐一测量每种线路，再三种同时运行并各切断一次，然后给出结果：就在这个浏览器、这个网络上。',
  'Compare': '对比',
  'Save as a page': '存为网页',
  'Save as JSON': '存为 JSON',
  'Cut at gateway': '网关切断',
  'Drop in browser': '本端断开',
  'Stall': '停读',
  'order': '次序',
  'last id': '最后编号',
  'client': '客户端',

  // States and notices of the panels.
  'connecting': '连接中',
  'live': '已连接',
  'reconnecting': '重连中',
  'disconnected': '已断开',
  'offline': '离线',
  'closed': '已关闭',
  'refused': '被拒绝',
  'Connect': '连接',
  'Disconnect': '断开',
  'EventSource, reconnects by itself': 'EventSource，自动重连',
  'fetch and getReader, JSON lines': 'fetch 与 getReader，逐行 JSON',
  'one text frame for each message': '每条消息一个文本帧',
  'Messages over {wire}': '{wire} 上的消息',
  'A page cannot stop the browser from reading this wire; only fetch can stall':
    '页面无法阻止浏览器读取这种线路；只有 fetch 可以停读',
  'reading stopped: messages wait in the network, then in the gateway':
    '已停止读取：消息先在网络中等待，再在网关中等待',
  'reading again': '继续读取',
  'resumed after {id}': '从 {id} 之后恢复',
  'gap: the gateway began a new log': '缺口：网关开始了新的日志',
  'gap: {first} to {last} lost': '缺口：{first} 到 {last} 已丢失',
  'gap: {first} to {last} may be lost': '缺口：{first} 到 {last} 可能丢失',
  'goodbye: {reason}, reconnect {when}': '告别：{reason}，{when}重连',
  'now': '立即',
  'later': '稍后',
  'never': '不要',
  'now also listening for the event “{name}”': '现在也收听事件“{name}”',
  'the gateway could not be reached': '无法连到网关',
  'the response status was {status}': '响应为 {status}',

  // Answers of models.
  'Ask a model': '询问模型',
  'The gateway calls the model and publishes each piece of the answer to this channel. Every wire, every tab and every device receives it, also across cuts and reloads.':
    '网关调用模型，并把答案的每一段发布到此频道。每种线路、每个标签页、每台设备都会收到，断线和重新加载也不例外。',
  'Ask something': '问点什么',
  'Your question': '你的问题',
  'Model': '模型',
  'Cut all wires': '断开全部线路',
  'Second tab': '第二个标签页',
  'Opens this channel in another tab, which receives the same answer':
    '在另一个标签页打开此频道，那里会收到同样的答案',
  'Stops the model, for everybody who listens': '让模型停下，所有收听者都会看到',
  'Ask': '提问',
  'Answers over {wire}': '{wire} 上的答案',
  'Nobody has asked anything yet.': '还没有人提问。',
  'answering': '回答中',
  'a piece is missing until the end': '缺少一段，结束时补全',
  'complete': '已完成',
  'cancelled': '已停止',
  'error': '出错',
  'user': '用户',
  'backend': '后端',
  'orphan': '无人收听',
  'left': '提问者已离开',
  'replaced': '被新的提问取代',
  'operator': '管理员',
  '{count} characters in {deltas} pieces': '{count} 个字符，分 {deltas} 段',
  'All three wires have the same answer: {count} characters.':
    '三种线路的答案相同：{count} 个字符。',
  'The wires have different answers.': '各线路的答案不同。',

  // Figures.
  'messages': '消息',
  'first byte': '首字节',
  'median': '中位数',
  '90 %': '90 %',
  '99 %': '99 %',
  'longest': '最长',
  'jitter': '抖动',
  'reconnects': '重连',
  'replayed': '补发',
  'gaps': '缺口',
  'on the wire': '线路字节',
  'in order, no duplicates': '有序，无重复',
  '{disordered} out of order, {repeated} duplicates': '{disordered} 条乱序，{repeated} 条重复',
  'head {head}, framing {framing}, documents {payload} bytes':
    '头部 {head}、帧 {framing}、文档 {payload} 字节',
  'Latency over time': '延迟随时间变化',
  'Latency distribution': '延迟分布',
  'time': '时间',
  'latency': '延迟',

  // Publishing and faults.
  'Published {id} to 1 subscriber': '已发布 {id}，1 个订阅者',
  'Published {id} to {subscribers} subscribers': '已发布 {id}，{subscribers} 个订阅者',
  'Start': '开始',
  'Pause': '暂停',
  'Go offline': '离线',
  'Online again': '恢复在线',
  'Opening {streams} streams…': '正在打开 {streams} 条流…',
  'All {streams} are open at once, over {http}.': '{streams} 条全部同时打开，经由 {http}。',
  '{opened} of {streams} are open over {http}: a browser opens at most six connections to a host, and this page uses two of them. Over HTTP/2 all would be open.':
    '{streams} 条中打开了 {opened} 条，经由 {http}：浏览器对一个主机最多打开六个连接，本页已占用两个。用 HTTP/2 则全部可以打开。',

  'The history could not be outrun.': '未能超出历史。',
  'The log is on disk: the wires were away for {count} messages, and nothing was lost.':
    '日志在磁盘上：各传输方式离线期间发布了 {count} 条消息，没有丢失任何消息。',
  '{opened} of {streams} are open over {http}.': '{streams} 条中打开了 {opened} 条，经由 {http}。',

  // The wire view.
  'The gateway could not be reached.': '无法连到网关。',
  'The gateway no longer holds {id}.': '网关已不再保留 {id}。',
  'Nothing: this format has no heartbeat.': '没有：此格式没有心跳。',
  'Nothing: the connection ends.': '没有：连接直接结束。',
  '{all} bytes': '{all} 字节',
  '{all} bytes: {payload} document, {around} overhead ({share} %)':
    '{all} 字节：文档 {payload}，额外 {around}（{share} %）',
  'framing {framing}, fields {field}, document {payload} bytes':
    '帧 {framing}、字段 {field}、文档 {payload} 字节',
  'more frames follow': '后面还有',
  'not masked, length {length}': '无掩码，长度 {length}',
  'not masked, length in the next {more} bytes': '无掩码，长度在后面 {more} 个字节中',
  'length: {length}': '长度：{length}',
  'payload, {length} bytes': '载荷，{length} 字节',
  'the rest': '其余',
  'chunk size, in hex: {length} bytes': '块大小（十六进制）：{length} 字节',
  'the last chunk': '最后一块',
  'end of the chunk': '块结束',
  'a blank line ends the event': '空行：事件结束',
  'data: a line of the event’s data': 'data：后面是事件的一行数据',
  'the document': '文档',
  'end of the line': '行结束',
  'the next Last-Event-ID': '下一个 Last-Event-ID',
  'the name of the event': '事件名',
  'how long to wait before a reconnect': '重连前等待多久',
  'a comment': '注释',
  'the status': '状态行',
  'the end of the head': '头部结束',
  'what the body is': '正文是什么',
  'proxies must not cache or change it': '代理不得缓存或改动',
  'nginx must not buffer it': 'nginx 不得缓冲',
  'proxies need not compress it': '代理无需压缩',
  'the cursor, for clients that receive no hello': '游标，供收不到 hello 的客户端使用',
  'the client id that skip_self and cut refer to': 'skip_self 与切断所指的客户端 ID',
  'what happens to the connection': '连接之后如何',
  'the connection becomes a WebSocket': '从此是 WebSocket',
  'proves that the handshake was understood': '证明握手已被理解',
  'the selected subprotocol': '选定的子协议',
  'published content is never executed': '发布的内容绝不会被执行',
  'caches must keep origins apart': '缓存须区分来源',
  'the headers that a page of another origin may read': '其他来源的页面可读取什么',
  'the body is sent in chunks, without a length': '正文分块传来，没有长度',

  // Chat and code.
  'guest {number}': '访客 {number}',
  'not sent back': '未发回',
  'copied': '已复制',
  'selected: copy it with the keyboard': '已选中：请用键盘复制',

  // The feature table.
  'try it': '试试',
  'explain': '说明',
  'Direction': '方向',
  'A WebSocket publishes over its own connection. With SSE or Chunked, a page publishes with a separate request.':
    'WebSocket 在收听的同一条连接上发布；用 SSE 和 Chunked 时，页面须另发请求来发布。',
  'sent over the WebSocket': '经由 WebSocket 发送',
  'The WebSocket has sent a message: it is the newest in all three cards.':
    'WebSocket 已发送一条消息：它是三张卡片中最新的一条。',
  'The WebSocket is not connected.': 'WebSocket 未连接。',
  'All three are built into every browser. The programs under Code need no library.':
    '三者都是浏览器自带的。“代码”中的程序不需要任何库。',
  'An EventSource reconnects and resumes without code of yours, unless it gets an error response. For the other wires that takes a dozen lines, which are under Code.':
    'EventSource 无需你的代码就会重连并续传，除非收到错误响应。另外两种线路需要十来行代码，见“代码”。',
  'The gateway has cut all three. Back after: {list}.': '网关已切断三种线路。恢复用时：{list}。',
  'Not every wire came back in time.': '并非每种线路都及时恢复。',
  'A client that returns with the last id that it has received gets everything after it, on any wire.':
    '客户端带着收到的最后一个编号回来，就能得到其后的全部消息，用哪种线路都可以。',
  '{count} messages were published while all wires were away; each wire received them when it came back.':
    '三种线路都离线时发布了 {count} 条消息；每种线路恢复后都收到了。',
  'If the history no longer holds all that a client has missed, the gateway reports the gap instead of hiding it.':
    '如果历史已不再保留客户端错过的全部消息，网关会报告缺口，而不是隐瞒。',
  'The wires were away for longer than the history lasts. Reported as lost: {list}.':
    '三种线路离线的时间超出了历史的范围。报告丢失：{list}。',
  'The bytes that a wire adds to each document. “On the wire” shows what each of them is for.':
    '线路在每个文档之外添加的字节。“线路上的字节”说明每个字节的用途。',
  'Measured on this page: {list} bytes.': '在本页测得（字节）：{list}。',
  'Publish something first.': '请先发布一条消息。',
  'SSE is text. With format=raw, Chunked and WebSocket carry the bytes themselves, but then no ids.':
    'SSE 是文本。使用 format=raw 时，Chunked 和 WebSocket 直接传送字节，但没有编号。',
  'A page cannot set headers on an EventSource or a WebSocket, so a token travels in the query, a cookie or a subprotocol. Programs can set headers on all three.':
    '页面无法为 EventSource 或 WebSocket 设置头部，因此令牌放在查询参数、cookie 或子协议中。程序则在三种线路上都可以设置头部。',
  'ws.compression = true in gateway.toml enables it. Each message is compressed once for all readers.':
    '在 gateway.toml 中设置 ws.compression = true 即可启用。每条消息只压缩一次，供所有读者使用。',
  'tricast doctor tests all three wires through your proxy, and says what to change in its configuration.':
    'tricast 的 doctor 命令会通过你的代理测试三种线路，并指出代理配置中需要修改的地方。',
  'Over HTTP/1.1 all tabs of a browser share six connections to a host; WebSockets are counted separately.':
    '使用 HTTP/1.1 时，浏览器的所有标签页对一个主机共用六个连接；WebSocket 另行计算。',
  'A page that stops reading a fetch slows the stream down. An EventSource or a WebSocket is read by the browser, and the messages pile up in the page.':
    '页面停止读取 fetch，流就会慢下来。EventSource 和 WebSocket 由浏览器读取，消息会堆积在页面中。',
  'While Chunked did not read, {count} messages waited in the network and in the gateway; then it read on and received them.':
    'Chunked 停止读取期间，{count} 条消息在网络和网关中等待；继续读取后全部收到。',
  'to the client': '到客户端',
  'both ways': '双向',
  'In a browser': '浏览器中',
  'EventSource': 'EventSource',
  'fetch': 'fetch',
  'WebSocket': 'WebSocket',
  'Reconnects by itself': '自动重连',
  'yes, the browser does': '是，由浏览器完成',
  'your code': '由你的代码完成',
  'Resumes': '断点续传',
  'yes, by Last-Event-ID': '是，用 Last-Event-ID',
  'yes, by last_event_id': '是，用 last_event_id',
  'Reports lost messages': '报告丢失的消息',
  'yes': '是',
  'no': '否',
  'Overhead per message': '每条消息的额外字节',
  '30 to 50 bytes': '30 到 50 字节',
  '7 to 10 bytes': '7 到 10 字节',
  '2 to 10 bytes': '2 到 10 字节',
  'Binary data': '二进制数据',
  'as base64': '用 base64',
  'as base64, or raw': '用 base64，或原始格式',
  'Custom headers': '自定义头部',
  'no: query or cookie': '否：用查询参数或 cookie',
  'no: query, cookie or subprotocol': '否：用查询参数、cookie 或子协议',
  'Compression': '压缩',
  'permessage-deflate, if enabled': 'permessage-deflate（启用时）',
  'Through proxies': '穿过代理',
  'like any download; buffering must be off': '如同普通下载；须关闭缓冲',
  'the proxy must allow the upgrade': '须放行协议升级',
  'Streams to one host': '对一个主机的流数',
  'six over HTTP/1.1, a hundred or more over HTTP/2': 'HTTP/1.1 六条，HTTP/2 一百条以上',
  '255 in Chromium, 200 in Firefox': 'Chromium 255 条，Firefox 200 条',
  'Backpressure from the page': '背压（页面可放慢流）',

  // The comparison.
  'Measures each wire by itself, then all three together at the rate and size set above, and has the gateway cut each wire once':
    '先逐一测量每种线路，再三种同时打开，按上面设定的速率和大小发布，并让网关各切断一次',
  'Three wires compared': '三种线路的对比',
  'state': '状态',
  'overhead per message': '每条消息的额外字节',
  'reconnected after': '重连用时',
  'out of order': '乱序',
  'duplicates': '重复',
  'seconds': '秒',
  'encrypted': '已加密',
  'not encrypted': '未加密',
  'Environment': '环境',
  '{seconds} s; together {published} messages, {rate} a second, of {size} bytes':
    '{seconds} 秒；同时运行时 {published} 条消息，每秒 {rate} 条，每条 {size} 字节',
  'The browser used {browser}, {encrypted}; the request reached the gateway over {gateway}.':
    '浏览器使用 {browser}，{encrypted}；到达网关的是 {gateway}。',
  'A proxy is in between: {what}.': '中间有代理：{what}。',
  'No proxy was visible.': '中间看不到代理。',
  'it does not identify itself': '它没有说明自己是什么',
  'Latency is the time from the request that published a message to its arrival, on the clock of this browser. Messages replayed after the cut are not timed. Bytes are those that the gateway sends over HTTP/1.1, response heads included.':
    '从发布消息的请求到消息到达，以本浏览器的时钟计。切断后补发的不计时。字节为网关按 HTTP/1.1 发出的字节，含响应头部。',
  'WebSocket did not get through. Check that each proxy passes the upgrade on, then that the gateway accepts streams from this page.':
    'WebSocket 未能通过。请先检查每个代理是否放行协议升级，再检查网关是否接受本页的流。',
  '{wire} did not get through. Check that no proxy buffers the response, then that the browser has a free connection to this host.':
    '{wire} 未能通过。请先检查是否有代理没有及时转发（多半是缓冲所致），再检查浏览器对此主机是否还有空闲连接。',
  'Too few rounds to tell the wires apart ({rounds}): let the comparison run longer.':
    '轮数太少（{rounds} 轮），无法分辨各线路：请让对比运行更久。',
  'No wire is faster than the others: alone, their medians are between {fast} and {slow}, and differences up to {threshold} do not count.':
    '没有哪一种更快：单独运行时，中位数在 {fast} 与 {slow} 之间，{threshold} 以内的差别不算数。',
  'No wire is faster than the others: alone, their medians are between {fast} and {slow}, but over {rounds} rounds that can be chance.':
    '没有哪一种更快：单独运行时，中位数在 {fast} 与 {slow} 之间，但在 {rounds} 轮中这可能只是偶然。',
  '{slow} is slower than {others}: alone, its median over {rounds} rounds is {high}.':
    '{slow} 比 {others} 慢：单独运行 {rounds} 轮，其中位数为 {high}。',
  'On one machine no network delays a wire: look for what does, such as a proxy or another program.':
    '在同一台机器上，没有网络会延迟某种线路：请查找原因，例如代理或其他程序。',
  'Alone': '单独',
  'One stream open at a time, in {rounds} rounds of random order. The verdict is based on this.':
    '每次只打开一条流，共 {rounds} 轮，顺序随机。结论以此为据。',
  'Together': '同时',
  'All three streams open in this tab. A browser runs one event handler at a time, so later wires wait for earlier ones.':
    '三条流都在本标签页打开。浏览器一次只运行一个事件处理函数，后到的线路要等先到的。',
  'This tab': '本标签页',
  'What the page itself adds. A program with one stream does not have this cost.':
    '页面自身增加的时间。只有一条流的程序没有这一开销。',
  'median, together − alone': '中位数，同时 − 单独',
  'event delay, alone': '事件延迟，单独',
  'event delay, together': '事件延迟，同时',
  'a request, no stream open': '一次请求，无流打开',
  'median {median}, 90 % within {most}': '中位数 {median}，90 % 在 {most} 以内',
  'Delivery': '投递',
  'While all three were open; the gateway cut each of them once.':
    '三种同时打开期间；网关各切断一次。',
  'Latency over time, all together': '延迟随时间变化，同时运行',
  'Latency distribution, all together': '延迟分布，同时运行',
  'Bytes that each wire adds to a message: {list}.': '每种线路为一条消息增加的字节：{list}。',
  '{wire} delivered all but {missing} of {published} messages.':
    '共 {published} 条消息，{wire} 缺 {missing} 条。',
  '{wire} delivered all {published} messages, but some out of order or more than once.':
    '{wire} 送来了全部 {published} 条消息，但有重复或乱序。',
  '{wire} delivered all {published} messages, in order.':
    '{wire} 按序送来了全部 {published} 条消息。',
  '{wire} delivered all {published} messages, in order; cut once, it reconnected after {away} and received what it had missed ({replayed}).':
    '{wire} 按序送来了全部 {published} 条消息；切断一次，{away} 后重连，补上了错过的消息（{replayed} 条）。',
  '{wire} delivered all {published} messages, in order; cut once, it reconnected after {away} and had missed nothing.':
    '{wire} 按序送来了全部 {published} 条消息；切断一次，{away} 后重连，没有错过任何一条。',
  'There is a proxy between this browser and the gateway; the figures include its effect on each wire.':
    '浏览器与网关之间有代理；它对每种线路的影响已含在数字里。',
  'No proxy is visible between this browser and the gateway: measure again from where your users are.':
    '浏览器与网关之间看不到代理：请从用户所在之处再测一次。',
  'The browser and the gateway run on one machine, so the figures say nothing about a network: measure again from where your users are.':
    '浏览器与网关在同一台机器上，因此这些数字不反映网络情况：请从用户所在之处再测一次。',
  'it was stopped': '已停止',
  '{wire} alone, round {round}': '{wire} 单独，第 {round} 轮',
  'no stream open, round {round}': '无流打开，第 {round} 轮',
  'all together': '三种同时',
  '{stage}; {seconds} s left': '{stage}；还剩 {seconds} 秒',
  'The comparison ended early: {reason}': '提前结束：{reason}',
  'another channel was chosen': '换了频道',
  'Nothing was published, so there is nothing to compare.': '什么都没有发布，因此无从对比。',
  'Use SSE for pages that only listen: the browser reconnects by itself.':
    '页面只收听就选 SSE：浏览器会自动重连。',
  'Use Chunked for programs, and where a reader must be able to slow the stream down.':
    '用于程序，或需要由读取方放慢流时，选 Chunked。',
  'Use WebSocket for pages that also send.': '页面还要发言就选 WebSocket。',
};
