// SPDX-License-Identifier: Apache-2.0
// What Java programs do: a pool of threads, garbage, files, digests, children, sockets to themselves.
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

public class Program {
    public static void main(String[] arguments) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8);
        List<Future<Integer>> squares = new ArrayList<>();
        for (int i = 0; i < 1000; i++) {
            int number = i;
            squares.add(pool.submit(() -> number * number));
        }
        int sum = 0;
        for (Future<Integer> square : squares) {
            sum += square.get();
        }
        pool.shutdown();
        System.out.println("threads " + sum);
        long kept = 0;
        for (int i = 0; i < 200; i++) {
            kept += new byte[1 << 20].length;
        }
        System.out.println("garbage " + kept);
        Path file = Files.createTempFile("program", ".txt");
        Files.writeString(file, "duet".repeat(100000));
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
        Files.delete(file);
        System.out.println("digest " + HexFormat.of().formatHex(digest));
        Process child = new ProcessBuilder("sh", "-c", "echo from a child").start();
        System.out.print("child " + new String(child.getInputStream().readAllBytes()));
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                Socket client = new Socket(server.getInetAddress(), server.getLocalPort());
                Socket connection = server.accept()) {
            client.getOutputStream().write("over the loopback".getBytes());
            client.shutdownOutput();
            try (InputStream stream = connection.getInputStream()) {
                System.out.println("socket " + new String(stream.readAllBytes()));
            }
        }
    }
}
