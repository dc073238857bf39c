import entitled.Client;

class Example {
    public static void main(String[] arguments) {
        System.out.println(switch (Client.ask("acme-cad").answer()) {
            case YES -> "entitled";
            case NO -> "not entitled";
            case NOT_KNOWN -> "not known";
        });
    }
}
