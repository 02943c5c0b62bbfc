// A client that nobody wrote an SDK for: signatures by javax.crypto, requests by java.net.http.HttpClient. Run as `java Kms.java`.
// A line of standard input is a call, parted by tabs: the server's URL, an access key's id, secret and token ("" for none), "HTTP_1_1"
// or "HTTP_2", "expect" or "", the scheme, the action, and the parameters: a query, or for tc3 a body with escapes.
// A line of standard output is its answer: the status, and the body in base64.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Collectors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Kms {
    private static final String FORM = "application/x-www-form-urlencoded";

    private final URI url;
    private final String id, secret, token;

    Kms(String url, String id, String secret, String token) {
        this.url = URI.create(url + "/");
        this.id = id;
        this.secret = secret;
        this.token = token;
    }

    public static void main(String[] given) throws Exception {
        Map<String, HttpClient> clients = Arrays.stream(HttpClient.Version.values()).collect(Collectors.toMap(
            Enum::name, version -> HttpClient.newBuilder().version(version).connectTimeout(Duration.ofSeconds(10)).build()));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] call = line.split("\t", -1);
            Kms kms = new Kms(call[0], call[1], call[2], call[3]);
            HttpRequest.Builder request = switch (call[6]) {
                case "rpc" -> kms.rpc(call[7], parameters(call[8]));
                case "acs3" -> kms.acs3(call[7], parameters(call[8]));
                case "tc3" -> kms.tc3(call[7], URLDecoder.decode(call[8], StandardCharsets.UTF_8));
                default -> throw new IllegalArgumentException(call[6]);
            };
            HttpResponse<byte[]> answer = clients.get(call[4]).send(
                request.timeout(Duration.ofSeconds(30)).expectContinue(call[5].equals("expect")).build(),
                HttpResponse.BodyHandlers.ofByteArray());
            System.out.println(answer.statusCode() + "\t" + Base64.getEncoder().encodeToString(answer.body()));
        }
    }

    /** Alibaba Cloud's signature 1.0, of a form. */
    private HttpRequest.Builder rpc(String action, TreeMap<String, String> parameters) throws Exception {
        parameters.putAll(Map.of("Action", action, "Version", "2016-01-20", "Format", "JSON", "AccessKeyId", id,
            "SignatureMethod", "HMAC-SHA1", "SignatureVersion", "1.0", "SignatureNonce", UUID.randomUUID().toString(),
            "Timestamp", now()));
        if (!token.isEmpty()) parameters.put("SecurityToken", token);
        String text = "POST&%2F&" + escaped(query(parameters));
        byte[] signature = hmac("HmacSHA1", bytes(secret + "&"), text);
        parameters.put("Signature", Base64.getEncoder().encodeToString(signature));
        return post(query(parameters)).header("Content-Type", FORM);
    }

    /** Alibaba Cloud's ACS3-HMAC-SHA256, of a form. */
    private HttpRequest.Builder acs3(String action, TreeMap<String, String> parameters) throws Exception {
        String body = query(parameters);
        TreeMap<String, String> headers = new TreeMap<>(Map.of("x-acs-action", action, "x-acs-version", "2016-01-20",
            "x-acs-date", now(), "x-acs-signature-nonce", UUID.randomUUID().toString(), "x-acs-content-sha256", sha256(body),
            "content-type", FORM));
        if (!token.isEmpty()) headers.put("x-acs-security-token", token);
        TreeMap<String, String> signed = new TreeMap<>(headers);
        signed.put("host", url.getAuthority());
        String names = String.join(";", signed.keySet());
        String canonical = "POST\n/\n\n" + lines(signed) + "\n" + names + "\n" + sha256(body);
        byte[] signature = hmac("HmacSHA256", bytes(secret), "ACS3-HMAC-SHA256\n" + sha256(canonical));
        headers.put("Authorization", "ACS3-HMAC-SHA256 Credential=" + id + ",SignedHeaders=" + names
            + ",Signature=" + HexFormat.of().formatHex(signature));
        HttpRequest.Builder request = post(body);
        headers.forEach(request::header);
        return request;
    }

    /** Tencent Cloud's TC3-HMAC-SHA256, of JSON. */
    private HttpRequest.Builder tc3(String action, String body) throws Exception {
        Instant time = Instant.now();
        String date = time.toString().substring(0, 10), scope = date + "/kms/tc3_request", type = "application/json; charset=utf-8";
        String canonical = "POST\n/\n\n" + "content-type:" + type + "\nhost:" + url.getAuthority() + "\n\ncontent-type;host\n" + sha256(body);
        String text = "TC3-HMAC-SHA256\n" + time.getEpochSecond() + "\n" + scope + "\n" + sha256(canonical);
        byte[] key = hmac("HmacSHA256", bytes("TC3" + secret), date);
        for (String part : new String[] {"kms", "tc3_request"}) key = hmac("HmacSHA256", key, part);
        HttpRequest.Builder request = post(body).header("Content-Type", type)
            .header("X-TC-Action", action).header("X-TC-Version", "2019-01-18").header("X-TC-Region", "ap-guangzhou")
            .header("X-TC-Timestamp", Long.toString(time.getEpochSecond()))
            .header("Authorization", "TC3-HMAC-SHA256 Credential=" + id + "/" + scope + ", SignedHeaders=content-type;host, Signature="
                + HexFormat.of().formatHex(hmac("HmacSHA256", key, text)));
        return token.isEmpty() ? request : request.header("X-TC-Token", token);
    }

    private HttpRequest.Builder post(String body) {
        return HttpRequest.newBuilder(url).POST(HttpRequest.BodyPublishers.ofString(body));
    }

    private static TreeMap<String, String> parameters(String query) {
        TreeMap<String, String> parameters = new TreeMap<>();
        for (String pair : query.split("&")) {
            if (pair.isEmpty()) continue;
            String[] both = pair.split("=", 2);
            parameters.put(both[0], URLDecoder.decode(both[1], StandardCharsets.UTF_8));
        }
        return parameters;
    }

    private static String query(TreeMap<String, String> parameters) {
        return parameters.entrySet().stream().map(e -> escaped(e.getKey()) + "=" + escaped(e.getValue())).collect(Collectors.joining("&"));
    }

    private static String escaped(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20").replace("*", "%2A").replace("%7E", "~");
    }

    private static String lines(TreeMap<String, String> headers) {
        return headers.entrySet().stream().map(e -> e.getKey() + ":" + e.getValue() + "\n").collect(Collectors.joining());
    }

    private static String now() {
        return Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String sha256(String text) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes(text)));
    }

    private static byte[] hmac(String algorithm, byte[] key, String text) throws Exception {
        Mac mac = Mac.getInstance(algorithm);
        mac.init(new SecretKeySpec(key, algorithm));
        return mac.doFinal(bytes(text));
    }
}
