// A primary with one worker, which records and then loses its channel, in the way that END says.
import cluster from 'node:cluster'
import { SecretAuditService } from 'otel-audit'

const say = (text) => process.stdout.write(`${text}\n`)

if (cluster.isPrimary) {
  const worker = cluster.fork()
  worker.on('message', () => {
    if (process.env.END === 'primary disconnects') worker.disconnect()
    if (process.env.END === 'primary kills it') worker.kill()
    if (process.env.END === 'primary dies') process.kill(process.pid, 'SIGKILL')
  })
  worker.on('exit', (code, signal) => say(`worker ${code} ${signal}`))
} else {
  const audit = SecretAuditService.fromEnv()
  for (let i = 0; i < 200; i++)
    audit.recordAsync({ credential: `c${i}`, operation: 'get_credential', outcome: 'ok' })
  say(`recorded ${process.pid}`)
  process.send('recorded', () => {
    if (process.env.END === 'worker disconnects') process.disconnect()
  })
  // The application goes on until it is cut off.
  const alive = setInterval(() => {}, 1000)
  process.once('disconnect', () => clearInterval(alive))
}
