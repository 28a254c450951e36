package example;

import java.time.Duration;
import java.util.Map;

public final class Main {
  public static void main(String[] args) {
    try (var audit = new SecretAudit("billing-java", args[0], Duration.ofSeconds(5))) {
      // After the secret is there, and before anybody gets it.
      audit.record(
          "payments-db",
          "get_credential",
          "ok",
          Map.of(
              "actor_id", "alice",
              "actor_type", "user",
              "worker_id", "w-1",
              "execution_id", "4611686018427387905"));
      System.out.println("recorded ok");
      audit.record("payments-db", "get_credential", "residency_violation", Map.of("notes", "ünïcødé 🔑"));
      System.out.println("recorded residency_violation");
    } catch (SecretAudit.NotRecorded error) {
      System.err.println("withheld: " + error.getMessage());
      System.exit(1);
    }
  }
}
