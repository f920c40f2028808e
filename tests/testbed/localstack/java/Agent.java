/** LocalStack starts DynamoDB Local with an agent, which raises a limit of it. This one does nothing. */
public final class Agent {
    private Agent() {}

    public static void premain(String arguments) {}
}
