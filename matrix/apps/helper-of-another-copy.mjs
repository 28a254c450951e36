// The helper of one copy of the package, and the pipeline of the other.
import { createAudit } from 'otel-audit'
import { SecretAuditService } from 'dependency'

const audit = createAudit()
await audit.start()
const service = SecretAuditService.fromEnv()
const access = { operation: 'get_credential', outcome: 'ok' }
await service.recordStrict({ ...access, credential: 'strict' })
service.recordAsync({ ...access, credential: 'async' })
await audit.close()
console.log(SecretAuditService === audit.service.constructor ? 'one copy' : 'two copies')
