/**
 * Preloaded into the services of the demo, which hold a channel to it: when the demo is gone, in whatever way,
 * the channel closes, and the service stops as it does on SIGTERM.
 */
const GRACE_MS = 5000

function stop(): void {
  setTimeout(() => process.exit(1), GRACE_MS).unref()
  process.kill(process.pid, 'SIGTERM')
}

if (process.connected) {
  process.once('disconnect', stop)
  // A listener for 'disconnect' would keep the service alive after it has closed its server.
  process.channel?.unref()
} else {
  stop()
}
