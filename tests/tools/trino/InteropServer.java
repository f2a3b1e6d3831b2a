package io.trino.server;

/**
 * Starts the server. Trino's own entry point comes only with its tarball, which Maven Central no longer has.
 *
 * It is in Trino's package because that is who may call it. The one argument is the version to report.
 */
public final class InteropServer {
    public static void main(String[] arguments) {
        new Server().start(arguments[0]);
    }
}
