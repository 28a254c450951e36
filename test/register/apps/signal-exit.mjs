// What the package `signal-exit` does once something uses it: it looks at signals, and lets them do what they would
// have done when nobody else listens. Its copies count themselves in an emitter that they share.
const emitter = { count: 1 }
globalThis[Symbol.for('signal-exit emitter')] = emitter

for (const signal of ['SIGTERM', 'SIGINT']) {
  const listener = () => {
    if (process.listeners(signal).length !== emitter.count) return
    process.off(signal, listener)
    process.kill(process.pid, signal)
  }
  process.on(signal, listener)
}
