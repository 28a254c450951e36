export { SecretInstrumentation, type SecretInstrumentationConfig } from './audit/secret-instrumentation.js'
